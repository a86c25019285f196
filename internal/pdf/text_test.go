package pdf

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
)

func TestL10Missing(t *testing.T) {
	for _, ok := range append([]string{"", "Straße №5 – “quoted” … € ½", "葛飾区 髙橋 﨑", "e\u0301a\u0308", "Đặng Thị"}, names...) {
		if m := jail.Missing(ok); len(m) != 0 {
			t.Errorf("%q: missing %U", ok, m)
		}
	}
	for _, bad := range []rune{0, '\n', '\r', '\t', 0x1b, 0x7f, 0x85, 0xad, 0x34f, 0x61c, 0x115f, 0x180e, 0x200b, 0x200c, 0x200d, 0x200e, 0x200f,
		0x2028, 0x2029, 0x202a, 0x202d, 0x202e, 0x2060, 0x2066, 0x2069, 0x206f, 0x2800, 0x3164, 0xfe0f, 0xfeff, 0xffa0, 0xfff9, 0xfffd, 0xe000, 0xe0041, 0xe0100,
		'👍', '🏴', 'א', 'ب', 0x10ffff} {
		text := "An" + string(bad) + "na"
		m := jail.Missing(text)
		if len(m) != 1 || m[0] != bad {
			t.Errorf("%U: missing %U", bad, m)
		}
		_, err := jail.Compose(context.Background(), Job{Append: []NewPage{{Width: 100, Height: 100, Items: []Item{Text{Size: 9, String: text}}}}})
		refused(t, err, MissingGlyphs)
	}
	if m := jail.Missing("a\xffb\xc0"); len(m) != 1 || m[0] != 0xfffd {
		t.Errorf("invalid UTF-8: missing %U", m)
	}
	if m := jail.Missing(strings.Repeat("\u202e👍", 5000)); len(m) != 2 {
		t.Errorf("missing %U", m)
	}
}

// A name of 10 kB is drawn small enough to read, or refused; it never leaves its box.
func TestL10LongName(t *testing.T) {
	draw := func(n int) error {
		_, err := jail.Compose(context.Background(), Job{Append: []NewPage{{Width: 300, Height: 100,
			Items: []Item{Text{X: 10, Y: 50, Size: 12, MaxWidth: 200, String: strings.Repeat("W", n)}}}}})
		return err
	}
	refused(t, draw(10_000), TooLarge)
	if err := draw(40); err != nil {
		t.Error(err)
	}
}

func TestWordsLieWhereTheyAreSeen(t *testing.T) {
	attributes := []string{"", "/Rotate 90", "/Rotate 180", "/Rotate 270/CropBox[20 20 280 380]"}
	job := Job{Doc: document(attributes...).table()}
	who := strings.Join(names, " ")
	for i := range attributes {
		job.Overlays = append(job.Overlays, Overlay{Page: i, Items: []Item{Text{X: 20, Y: 50, Size: 8, String: who}}})
	}
	p := composed(t, job)
	for i := range attributes {
		words, err := jail.Text(context.Background(), p.File, i)
		if err != nil {
			t.Fatal(err)
		}
		n := len(strings.Fields(who))
		if len(words) != n+2 || words[0].Text != "Hello" || words[1].Text != "agreement" {
			t.Fatalf("page %d: %+v", i, words)
		}
		var found []string
		for _, w := range words[2:] {
			if w.Top < 38 || w.Top+w.Height > 54 || w.Left < 18 {
				t.Errorf("page %d: %+v is not on its line", i, w)
			}
			found = append(found, w.Text)
		}
		if got := strings.Join(found, " "); got != who {
			t.Errorf("page %d: %q", i, got)
		}
		first := words[2]
		if width := jail.TextWidth("José", 8, false); math.Abs(first.Width-width) > 2 {
			t.Errorf("page %d: %q is %.1f wide, measured %.1f", i, first.Text, first.Width, width)
		}
	}
}

func TestWrap(t *testing.T) {
	text := "The quick brown fox jumps over the lazy dog. 山田太郎は契約書に署名しました。 Donaudampfschifffahrtsgesellschaftskapitän"
	lines := jail.Wrap(text, 10, 120, false)
	if len(lines) < 4 {
		t.Errorf("%d lines", len(lines))
	}
	for _, l := range lines {
		if w := jail.TextWidth(l, 10, false); w > 120.5 {
			t.Errorf("%q is %.1f points wide", l, w)
		}
	}
	strip := func(s string) string { return strings.ReplaceAll(s, " ", "") }
	if strip(strings.Join(lines, "")) != strip(text) {
		t.Errorf("wrapping lost text: %q", lines)
	}
	if got := jail.Wrap("a\n\nb", 10, 100, true); len(got) != 3 || got[1] != "" {
		t.Errorf("%q", got)
	}
}

func TestRefusalIsFound(t *testing.T) {
	_, err := jail.Inspect(context.Background(), []byte("no"))
	var r *Refusal
	if !errors.As(err, &r) || r.Reason != NotPDF || !strings.Contains(err.Error(), "not_pdf") {
		t.Errorf("%v", err)
	}
}
