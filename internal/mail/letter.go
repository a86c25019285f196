package mail

import (
	"bytes"
	"embed"
	htmltemplate "html/template"
	"strings"
	texttemplate "text/template"
)

// letter is a message in words, before it is laid out: first the greeting and
// the paragraphs, then the sender's own words, the one button or the code, and
// last what is good to know.
type letter struct {
	kind       string
	Subject    string
	Person     string // greeted; may be empty
	Paragraphs []string
	QuoteOf    string
	Quote      string // may have several lines
	Code       string
	Button     string
	Link       string
	After      []string
	Files      []string // names of what is attached
	// Product and Home say what made the message.
	Product, Home string
	// Brand is in whose name it goes out, empty: the product's; Logo the Content-ID of a picture, or empty.
	Brand, Logo string
}

//go:embed templates/letter.html templates/letter.txt
var layouts embed.FS

var (
	htmlLayout = htmltemplate.Must(htmltemplate.ParseFS(layouts, "templates/letter.html"))
	textLayout = texttemplate.Must(texttemplate.New("letter.txt").
			Funcs(texttemplate.FuncMap{"quote": quote}).ParseFS(layouts, "templates/letter.txt"))
)

// clean leaves nothing in a letter that could break a line of it, wherever the words came from.
func (l letter) clean() letter {
	for _, s := range []*string{&l.Subject, &l.Person, &l.QuoteOf, &l.Code, &l.Button, &l.Link, &l.Brand} {
		*s = line(*s)
	}
	l.Subject = shorten(l.Subject, 200)
	l.Quote = lines(l.Quote)
	l.Paragraphs, l.After, l.Files = each(l.Paragraphs), each(l.After), each(l.Files)
	return l
}

func each(in []string) []string {
	out := make([]string, len(in))
	for i, s := range in {
		out[i] = line(s)
	}
	return out
}

// shorten cuts s after limit characters.
func shorten(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return strings.TrimSpace(string(r[:limit-1])) + "…"
	}
	return s
}

// render lays the letter out for both kinds of reader.
func (l letter) render() (text, html string, err error) {
	var t, h bytes.Buffer
	if err := textLayout.Execute(&t, l); err != nil {
		return "", "", err
	}
	if err := htmlLayout.Execute(&h, l); err != nil {
		return "", "", err
	}
	return t.String(), h.String(), nil
}

// signature begins the footer of a text; mail programs know it (RFC 3676 §4.3).
const signature = "\n-- \n"

// quote marks somebody else's words, so that they cannot pass for ours.
func quote(s string) string { return "> " + strings.ReplaceAll(s, "\n", "\n> ") }
