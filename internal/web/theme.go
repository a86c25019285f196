package web

import (
	"fmt"
	"math"
	"net/http"
	"regexp"
	"strconv"
	"strings"

	"countersign.dev/internal/directory"
	"countersign.dev/internal/errs"
)

// An account's colours come as a stylesheet of their own, because the content policy lets no page hold styles.
// The colours stand in its address: it needs no look-up, and may be kept for ever.

var isTheme = regexp.MustCompile(`^([pswebo][0-9a-f]{6})(-[pswebo][0-9a-f]{6}){0,5}\.css$`)

// themeURL is the address of an account's stylesheet, or "" when it has no colours. Each has its letter.
func themeURL(t directory.Theme) string {
	var parts []string
	for _, c := range []struct{ letter, hue string }{{"p", t.Primary}, {"s", t.Success}, {"w", t.Warning}, {"e", t.Error},
		{"b", t.SignatureButton}, {"o", t.OptionalSignatureButton}} {
		if directory.Hue(c.hue) {
			parts = append(parts, c.letter+strings.ToLower(c.hue[1:]))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return "/theme/" + strings.Join(parts, "-") + ".css"
}

// theme serves the stylesheet of the colours in the address.
func (s *site) theme(w http.ResponseWriter, r *http.Request) error {
	name := r.PathValue("colors")
	if !isTheme.MatchString(name) {
		return errs.New(errs.NotFound, "page.unknown", "There is no such file.")
	}
	colors := map[byte]color{}
	for part := range strings.SplitSeq(strings.TrimSuffix(name, ".css"), "-") {
		colors[part[0]] = parseColor(part[1:])
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", "text/css; charset=utf-8")
	_, err := w.Write([]byte(themeCSS(colors)))
	return err
}

// The grounds on which a colour is read as text or seen as a line, in the style sheet's two schemes.
var (
	lightGrounds = []color{{255, 255, 255}, {245, 244, 240}, {239, 237, 231}}
	darkGrounds  = []color{{17, 20, 27}, {26, 30, 40}, {35, 40, 51}}
	white, night = color{255, 255, 255}, color{16, 18, 26}
)

// legible is the contrast that text needs (WCAG 2.2, success criterion 1.4.3).
const legible = 4.5

// schemes are the variables of the style sheet that a colour stands for.
var schemes = []struct {
	letter    byte
	ink, wash string
}{{'p', "--accent", "--accent-wash"}, {'s', "--good", "--good-wash"}, {'w', "--warn", "--warn-wash"}, {'e', "--bad", "--bad-wash"}}

// themeCSS are the variables of an account's colours. As text and lines they are made dark or light
// enough to be read; on buttons they stay as they are, and their ink is chosen.
func themeCSS(colors map[byte]color) string {
	var light, dark strings.Builder
	for _, s := range schemes {
		c, ok := colors[s.letter]
		if !ok {
			continue
		}
		for _, one := range []struct {
			out     *strings.Builder
			grounds []color
			toward  color
			share   float64
		}{{&light, lightGrounds, color{}, .1}, {&dark, darkGrounds, white, .2}} {
			wash := c.mix(one.grounds[0], 1-one.share)
			ink := c.readable(append([]color{wash}, one.grounds...), one.toward)
			fmt.Fprintf(one.out, "%s:%s;%s:%s;", s.ink, ink, s.wash, wash)
			if s.letter == 'p' {
				fmt.Fprintf(one.out, "--accent-deep:%s;--on-accent:%s;", ink.mix(one.toward, .25), ink.inkOn())
			}
		}
	}
	for _, b := range []struct {
		letter byte
		name   string
	}{{'p', "brand"}, {'b', "sign"}, {'o', "sign-optional"}} {
		if c, ok := colors[b.letter]; ok {
			fmt.Fprintf(&light, "--%s:%s;--on-%s:%s;--%s-line:%s;", b.name, c, b.name, c.inkOn(), b.name, c.readable(lightGrounds[:1], color{}))
		}
	}
	if c, ok := colors['p']; ok { // fields lie on white paper in both schemes
		fmt.Fprintf(&light, "--field:%s;", c.readable(lightGrounds[:1], color{}))
	}
	return ":root{" + light.String() + "}\n@media (prefers-color-scheme:dark){:root{" + dark.String() + "}}\n"
}

// color is red, green and blue, 0 to 255.
type color [3]float64

// parseColor reads six hexadecimal digits.
func parseColor(hex string) color {
	n, _ := strconv.ParseUint(hex, 16, 32)
	return color{float64(n >> 16), float64(n >> 8 & 255), float64(n & 255)}
}

func (c color) String() string {
	return fmt.Sprintf("#%02x%02x%02x", int(math.Round(c[0])), int(math.Round(c[1])), int(math.Round(c[2])))
}

// mix moves a colour a share of the way to another.
func (c color) mix(to color, share float64) (out color) {
	for i := range c {
		out[i] = math.Round(c[i] + (to[i]-c[i])*share)
	}
	return out
}

// luminance is the relative luminance of WCAG 2.
func (c color) luminance() float64 {
	linear := func(v float64) float64 {
		if v /= 255; v <= .04045 {
			return v / 12.92
		}
		return math.Pow((v+.055)/1.055, 2.4)
	}
	return .2126*linear(c[0]) + .7152*linear(c[1]) + .0722*linear(c[2])
}

func (c color) contrast(to color) float64 {
	a, b := c.luminance()+.05, to.luminance()+.05
	return max(a, b) / min(a, b)
}

// readable moves a colour toward black or white until it is legible on all grounds.
func (c color) readable(on []color, toward color) color {
	for share := 0.0; share < 1; share += .04 {
		out, ok := c.mix(toward, share), true
		for _, ground := range on {
			ok = ok && out.contrast(ground) >= legible
		}
		if ok {
			return out
		}
	}
	return toward
}

// inkOn is what is legible on a colour: of white and nearly black one always is.
func (c color) inkOn() color {
	if c.contrast(white) >= legible {
		return white
	}
	return night
}
