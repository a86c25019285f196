package api

import (
	"strings"
	"testing"

	"countersign.dev/internal/errs"
)

// Attack P8: what the decoder refuses on every surface, wherever in the body it stands.
func TestP8DecodeRefuses(t *testing.T) {
	for name, body := range map[string]string{
		"nothing":                    ``,
		"white space":                " \n",
		"cut short":                  `{"a":1`,
		"trailing data":              `{"a":1}{"a":2}`,
		"trailing text":              `{"a":1} x`,
		"trailing comma":             `{"a":1,}`,
		"comment":                    `{"a":1/*x*/}`,
		"single quotes":              `{'a':1}`,
		"byte order mark":            "\xef\xbb\xbf{}",
		"UTF-16":                     "\xff\xfe{\x00}\x00",
		"member twice":               `{"name":"x","name":"y"}`,
		"unknown member twice":       `{"z":1,"z":2}`,
		"member twice, deep":         `{"z":[{"a":{"b":1,"b":1}}]}`,
		"member twice by escape":     `{"name":"x","n\u0061me":"y"}`,
		"invalid UTF-8":              "{\"name\":\"\xff\"}",
		"invalid UTF-8 in a name":    "{\"\xc0\xaf\":1}",
		"invalid UTF-8, unknown":     "{\"z\":\"\xed\xa0\x80\"}",
		"unpaired surrogate":         `{"name":"\ud800"}`,
		"unpaired surrogate, late":   `{"name":"\udc00x"}`,
		"NUL":                        `{"name":"a\u0000b"}`,
		"NUL in a name":              `{"a\u0000":1}`,
		"NUL after a backslash":      `{"name":"\\\u0000"}`,
		"NUL, unknown, deep":         `{"z":[[["\u0000"]]]}`,
		"raw NUL":                    "{\"name\":\"\x00\"}",
		"raw line break in a string": "{\"name\":\"a\nb\"}",
		"too deep, arrays":           `{"z":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`,
		"too deep, objects":          strings.Repeat(`{"a":`, 65) + `1` + strings.Repeat(`}`, 65),
		"a million levels":           strings.Repeat("[", 1_000_000),
		"number too big":             `{"z":1e400}`,
		"number too long":            `{"z":` + strings.Repeat("1", 101) + `}`,
		"number with leading zero":   `{"n":01}`,
		"NaN":                        `{"n":NaN}`,
		"null":                       `null`,
	} {
		var v struct {
			Name string `json:"name"`
			N    int    `json:"n"`
			Z    any    `json:"z"`
		}
		if err := Decode([]byte(body), &v); !errs.Is(err, "json.malformed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDecodeTypes(t *testing.T) {
	for body, field := range map[string]string{
		`{"name":1}`:                   "/name",
		`{"list":[{"n":1},{"n":"x"}]}`: "/list/1/n",
		`{"n":1.5}`:                    "/n",
		`{"n":99999999999999999999}`:   "/n",
		`[]`:                           "",
		`"x"`:                          "",
	} {
		var v struct {
			Name string `json:"name"`
			N    int    `json:"n"`
			List []struct {
				N int `json:"n"`
			} `json:"list"`
		}
		err := Decode([]byte(body), &v)
		if !errs.Is(err, "json.type") || err.(*errs.Error).Field != field {
			t.Errorf("%s: %v", body, err)
		}
	}
}

func TestDecodeAccepts(t *testing.T) {
	var v struct {
		Name string   `json:"name"`
		Null *string  `json:"null"`
		List []string `json:"list"`
		F    float64  `json:"f"`
	}
	body := ` {"name":"\\u0000 \ud83d\ude00 é","NAME":"other","unknown":{"deep":` + strings.Repeat("[", 60) + strings.Repeat("]", 60) + `},"null":null,"list":null,"f":217.0}` + "\n"
	if err := Decode([]byte(body), &v); err != nil {
		t.Fatal(err)
	}
	if v.Name != `\u0000 😀 é` || v.Null != nil || v.List != nil || v.F != 217 {
		t.Errorf("%+v", v)
	}
}
