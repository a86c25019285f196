package web

import (
	"regexp"
	"strings"
	"testing"

	"countersign.dev/internal/directory"
)

// TestThemeIsReadable: whatever colours an account chooses, text stays legible in both schemes, and nothing but
// colours gets into the stylesheet or its address.
func TestThemeIsReadable(t *testing.T) {
	for _, hue := range []string{"#000000", "#ffffff", "#f2c500", "#5940c3", "#ff0000", "#00ff00", "#808080", "#123456"} {
		url := themeURL(directory.Theme{Primary: hue, Success: hue, Warning: hue, Error: hue, SignatureButton: hue, OptionalSignatureButton: hue})
		if name, ok := strings.CutPrefix(url, "/theme/"); !ok || !isTheme.MatchString(name) {
			t.Fatalf("%s: its address %q is not served", hue, url)
		}
		c := parseColor(hue[1:])
		css := themeCSS(map[byte]color{'p': c, 's': c, 'w': c, 'e': c, 'b': c, 'o': c})
		light, dark, _ := strings.Cut(css, "@media")
		for _, scheme := range []struct {
			css     string
			grounds []color
		}{{light, lightGrounds}, {dark, darkGrounds}} {
			for _, name := range []string{"accent", "good", "warn", "bad"} {
				ink := variable(t, scheme.css, name)
				for _, ground := range append([]color{variable(t, scheme.css, name+"-wash")}, scheme.grounds...) {
					if got := ink.contrast(ground); got < legible {
						t.Errorf("%s as --%s %v on %v: %.2f", hue, name, ink, ground, got)
					}
				}
			}
			if got := variable(t, scheme.css, "on-accent").contrast(variable(t, scheme.css, "accent")); got < legible {
				t.Errorf("%s: on accent %.2f", hue, got)
			}
		}
		for _, name := range []string{"brand", "sign", "sign-optional"} {
			if got := variable(t, light, "on-"+name).contrast(variable(t, light, name)); got < legible {
				t.Errorf("%s: ink on --%s %.2f", hue, name, got)
			}
		}
	}
	if got := themeURL(directory.Theme{Primary: "red;}body{display:none", Error: "#12345g"}); got != "" {
		t.Errorf("what is no colour makes a stylesheet: %q", got)
	}
	for _, name := range []string{"", ".css", "p12345.css", "p123456.css.css", "x123456.css", "p123456-.css", "P123456.css", "p123456;}.css"} {
		if isTheme.MatchString(name) {
			t.Errorf("%q is served", name)
		}
	}
}

// variable is a colour of the stylesheet.
func variable(t *testing.T, css, name string) color {
	t.Helper()
	m := regexp.MustCompile(`[;{]--` + name + `:#([0-9a-f]{6});`).FindStringSubmatch(css)
	if m == nil {
		t.Fatalf("no --%s in %s", name, css)
	}
	return parseColor(m[1])
}
