package api

import "countersign.dev/internal/errs"

// maxKey is the longest Idempotency-Key, in characters.
const maxKey = 255

// IdempotencyKey is the text of the call's Idempotency-Key (IETF draft idempotency-key-header §2.1, a structured field's
// string); "" when none was sent. Invalid "idempotency_key.malformed".
func (r *Request) IdempotencyKey() (string, error) {
	keys := r.HTTP.Header.Values("Idempotency-Key")
	if len(keys) == 0 {
		return "", nil
	}
	key, ok := keyText(keys[0])
	if !ok || len(keys) > 1 {
		return "", errs.New(errs.Invalid, "idempotency_key.malformed",
			"An Idempotency-Key is one text in double quotes of 1 to %d characters.", maxKey).On("Idempotency-Key")
	}
	return key, nil
}

// keyText reads a string of RFC 9651 §3.3.3.
func keyText(header string) (string, bool) {
	if len(header) < 3 || header[0] != '"' {
		return "", false
	}
	var out []byte
	for i := 1; i < len(header); i++ {
		c := header[i]
		switch {
		case c == '"':
			return string(out), i == len(header)-1 && len(out) > 0 && len(out) <= maxKey
		case c == '\\':
			i++
			if i == len(header) || header[i] != '"' && header[i] != '\\' {
				return "", false
			}
			c = header[i]
		case c < ' ' || c > '~':
			return "", false
		}
		out = append(out, c)
	}
	return "", false
}
