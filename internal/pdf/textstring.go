package pdf

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf16"
)

// Text strings and dates as they stand outside of content.

// textString encodes text outside of content: ASCII as it is, else UTF-16 (§7.9.2.2).
func textString(s string) text {
	ascii := true
	for i := 0; i < len(s); i++ {
		ascii = ascii && s[i] >= ' ' && s[i] < 0x7f
	}
	if ascii {
		return text(s)
	}
	out := text{0xfe, 0xff}
	for _, v := range utf16.Encode([]rune(s)) {
		out = append(out, byte(v>>8), byte(v))
	}
	return out
}

// date is a PDF date with its zone (§7.9.4).
func date(t time.Time) text {
	day := "D:" + t.Format("20060102150405")
	if _, offset := t.Zone(); offset == 0 {
		return text(day + "Z")
	}
	zone := t.Format("-0700")
	return text(day + zone[:3] + "'" + zone[3:] + "'")
}

// readText decodes a text string (§7.9.2.2); PDFDocEncoding is read as Latin 1.
func readText(t text) string {
	if bytes.HasPrefix(t, []byte{0xfe, 0xff}) {
		var u []uint16
		for i := 2; i+1 < len(t); i += 2 {
			u = append(u, uint16(t[i])<<8|uint16(t[i+1]))
		}
		return string(utf16.Decode(u))
	}
	if bytes.HasPrefix(t, []byte{0xef, 0xbb, 0xbf}) {
		return string(bytes.ToValidUTF8(t[3:], []byte("\uFFFD")))
	}
	out := make([]rune, len(t))
	for i, c := range t {
		out[i] = rune(c)
	}
	return string(out)
}

// readDate reads a PDF date (§7.9.4); zero when it is none.
func readDate(s string) time.Time {
	s = strings.ReplaceAll(strings.TrimPrefix(s, "D:"), "'", "")
	if day, _, utc := strings.Cut(s, "Z"); utc {
		s = day
	}
	for _, layout := range []string{"20060102150405-0700", "20060102150405-07", "20060102150405"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t
		}
	}
	return time.Time{}
}
