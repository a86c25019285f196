package main

import (
	"bytes"
	"fmt"
	"strings"
)

// pdfWriter writes a plain PDF.
type pdfWriter struct {
	bytes.Buffer
	offsets []int
}

func (w *pdfWriter) add(format string, args ...any) {
	w.offsets = append(w.offsets, w.Len())
	fmt.Fprintf(w, "%d 0 obj\n", len(w.offsets))
	fmt.Fprintf(w, format, args...)
	w.WriteString("\nendobj\n")
}

// head begins a file of n pages; the objects of each follow, so many a page, itself first.
func (w *pdfWriter) head(n, each int) {
	var kids strings.Builder
	for i := range n {
		fmt.Fprintf(&kids, "%d 0 R ", 3+each*i)
	}
	w.WriteString("%PDF-1.4\n")
	w.add("<</Type/Catalog/Pages 2 0 R>>")
	w.add("<</Type/Pages/Kids[%s]/Count %d>>", kids.String(), n)
}

func (w *pdfWriter) end() []byte {
	xref := w.Len()
	fmt.Fprintf(w, "xref\n0 %d\n0000000000 65535 f \n", len(w.offsets)+1)
	for _, at := range w.offsets {
		fmt.Fprintf(w, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(w, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(w.offsets)+1, xref)
	return w.Bytes()
}

// pdfOf is a PDF of n Letter pages of text.
func pdfOf(n int) []byte {
	var text strings.Builder
	for y := 760; y > 40; y -= 12 {
		fmt.Fprintf(&text, "BT /F1 9 Tf 36 %d Td (The quick brown fox jumps over the lazy dog and signs the agreement at once, before noon.) Tj ET\n", y)
	}
	w := &pdfWriter{}
	w.head(n, 1)
	for range n {
		w.add("<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R/Resources<</Font<</F1 %d 0 R>>>>>>", 4+n, 3+n)
	}
	w.add("<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>")
	w.add("<</Length %d>>stream\n%s\nendstream", text.Len(), text.String())
	return w.end()
}
