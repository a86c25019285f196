package demo

import (
	"bytes"
	"fmt"
	"strings"
)

// Where the pharmacist signs, in the surface's unit of 1/93.6 inch from the top left.
var (
	signatureField = map[string]any{"type": "SIGNATURE", "subtype": "FULLNAME", "page": 0, "left": 94, "top": 806, "width": 300, "height": 78}
	nameField      = map[string]any{"type": "INPUT", "subtype": "LABEL", "binding": "{signer.name}", "page": 0, "left": 430, "top": 836, "width": 270, "height": 24}
)

// prescription is a one-page PDF as another program might have made it: the
// standard fonts of ISO 32000-1 §9.6.2.2, nothing embedded.
func prescription() []byte {
	var page strings.Builder
	text := func(font string, size, x, y float64, s string) {
		fmt.Fprintf(&page, "BT /%s %g Tf %g %g Td (%s) Tj ET\n", font, size, x, y, strings.NewReplacer(`\`, `\\`, "(", `\(`, ")", `\)`).Replace(s))
	}
	rule := func(x1, y, x2 float64) { fmt.Fprintf(&page, "%g %g m %g %g l S\n", x1, y, x2, y) }
	page.WriteString("0.09 0.35 0.42 rg 0 732 612 60 re f 1 1 1 rg\n")
	text("B", 20, 72, 755, "Example Pharmacy")
	text("R", 10, 400, 757, "1 Example Street, Exampleton")
	page.WriteString("0.1 0.12 0.16 rg 0.6 0.66 0.72 RG 0.7 w\n")
	text("B", 17, 72, 690, "Record of delivery of a prescription")
	y := 650.0
	for _, row := range [][2]string{
		{"Prescription", "2026-1121"}, {"Patient", "Alex Sample, born 1961-04-02"}, {"Prescriber", "Dr. Robin Placeholder"},
		{"Medicine", "Amoxicillin 500 mg, 21 capsules"}, {"Directions", "One capsule three times a day for seven days"},
		{"Substitution", "Permitted"}, {"Checked for", "Dose, interactions, allergies"}, {"Delivered to", "The patient, in person"},
	} {
		text("R", 10, 72, y, row[0])
		text("B", 11, 190, y, row[1])
		rule(72, y-9, 540)
		y -= 30
	}
	for i, line := range []string{
		"I checked this prescription against the patient's record, delivered the medicine named above and",
		"explained its use. Any pharmacist on duty may sign on behalf of the group; the name of the one who",
		"signs stands below and in the evidence at the end of this document.",
	} {
		text("R", 10.5, 72, 380-16*float64(i), line)
	}
	text("R", 9, 72, 180, "Signature of the pharmacist")
	text("R", 9, 330, 180, "Name")
	rule(72, 106, 303)
	rule(330, 126, 540)
	return assemble(page.String())
}

// assemble writes the file around one page's content.
func assemble(content string) []byte {
	objects := []string{
		"<< /Type /Catalog /Pages 2 0 R >>",
		"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
		"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 612 792] /Contents 4 0 R /Resources << /Font << /R 5 0 R /B 6 0 R >> >> >>",
		fmt.Sprintf("<< /Length %d >>\nstream\n%sendstream", len(content), content),
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
		"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold /Encoding /WinAnsiEncoding >>",
	}
	var out bytes.Buffer
	out.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, out.Len())
		fmt.Fprintf(&out, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := out.Len()
	fmt.Fprintf(&out, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, o := range offsets {
		fmt.Fprintf(&out, "%010d 00000 n \n", o)
	}
	fmt.Fprintf(&out, "trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return out.Bytes()
}
