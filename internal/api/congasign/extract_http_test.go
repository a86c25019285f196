package congasign

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"countersign.dev/internal/api/apitest"
)

// formPaper is a small PDF of one Letter page: lines of text, form fields of the names given, and more entries of the catalog.
func formPaper(catalog string, lines []string, fields ...string) string {
	var content, list strings.Builder
	for i, line := range lines {
		fmt.Fprintf(&content, "BT /H 8 Tf 72 %d Td (%s) Tj ET\n", 700-30*i, strings.NewReplacer("(", "\\(", ")", "\\)").Replace(line))
	}
	objects := []string{"", "<</Type/Pages/Kids[3 0 R]/Count 1>>", "", "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
		fmt.Sprintf("<</Length %d>>stream\n%s\nendstream", content.Len(), content.String())}
	for i, name := range fields {
		objects = append(objects, fmt.Sprintf("<</Type/Annot/Subtype/Widget/FT/Tx/T(%s)/P 3 0 R/Rect[300 %d 450 %d]>>", name, 600-40*i, 622-40*i))
		fmt.Fprintf(&list, "%d 0 R ", len(objects))
	}
	objects[0] = "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[" + list.String() + "]>>" + catalog + ">>"
	objects[2] = "<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 5 0 R/Resources<</Font<</H 4 0 R>>>>/Annots[" + list.String() + "]>>"
	var b bytes.Buffer
	b.WriteString("%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
	var offsets []int
	for i, o := range objects {
		offsets = append(offsets, b.Len())
		fmt.Fprintf(&b, "%d 0 obj\n%s\nendobj\n", i+1, o)
	}
	start := b.Len()
	fmt.Fprintf(&b, "xref\n0 %d\n0000000000 65535 f \n", len(objects)+1)
	for _, at := range offsets {
		fmt.Fprintf(&b, "%010d 00000 n \n", at)
	}
	fmt.Fprintf(&b, "trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n", len(objects)+1, start)
	return b.String()
}

// buyers are two roles whose names documents use.
const buyers = `"roles":[{"id":"role1","name":"Buyer","signers":[{"id":"buyer-id","email":"b@example.com","firstName":"Bo","lastName":"Buyer"}]},
	{"id":"role2","name":"Second","signers":[{"id":"Seller1","email":"s@example.com","firstName":"Su","lastName":"Seller"}]}]`

// sale makes a draft of those roles, without a document, and returns its path.
func (s *stack) sale() string {
	s.T.Helper()
	return "/api/packages/" + s.Post("/api/packages", `{"name":"Sale",`+buyers+`}`).Want(200).Text("id")
}

// adds posts a document of a file and more members.
func (s *stack) adds(one, file, members string) apitest.Answer {
	s.T.Helper()
	return s.Post(one+"/documents", `{"id":"d1","name":"Agreement","base64Content":"`+base64.StdEncoding.EncodeToString([]byte(file))+`",`+members+`}`)
}

// withAnchor is an approval whose signature is placed by an anchor.
func withAnchor(anchor string) string {
	return `"approvals":[{"id":"a1","role":"role1","fields":[{"id":"f1","type":"SIGNATURE","subtype":"FULLNAME","width":200,"height":50,"extractAnchor":` + anchor + `}]}]`
}

const namedField = `"approvals":[{"id":"a1","role":"role1","fields":[{"id":"f1","name":"Nowhere","type":"SIGNATURE","subtype":"FULLNAME","extract":true}]}]`

var extractRefusals = []refusal{
	{"extraction type unknown", func(s *stack) apitest.Answer {
		return s.adds(s.sale(), paper(), `"extract":true,"extractionTypes":["GUESS"]`)
	}},
	{"text tag that cannot be used", func(s *stack) apitest.Answer {
		return s.adds(s.sale(), formPaper("", []string{"{{esl:Buyer:signatur}}"}), `"extract":true,"extractionTypes":["TEXT_TAGS"]`)
	}},
	{"form fields without a signature", func(s *stack) apitest.Answer {
		return s.adds(s.sale(), formPaper("", nil, "[Buyer.Capture1.Textfield1]"), `"extract":true`)
	}},
	{"field named as nothing in the document", func(s *stack) apitest.Answer { return s.adds(s.sale(), paper(), namedField) }},
	{"anchor without a text", func(s *stack) apitest.Answer { return s.adds(s.sale(), paper(), withAnchor(`{"width":50}`)) }},
	{"anchor at a text that is not there", func(s *stack) apitest.Answer {
		return s.adds(s.sale(), paper(), withAnchor(`{"text":"Prescription","index":1}`))
	}},
	{"anchor index below 0", func(s *stack) apitest.Answer {
		return s.adds(s.sale(), paper(), withAnchor(`{"text":"Prescription","index":-1}`))
	}},
	{"anchor at no character of its text", func(s *stack) apitest.Answer {
		return s.adds(s.sale(), paper(), withAnchor(`{"text":"Prescription","characterIndex":12}`))
	}},
	{"anchor point unknown", func(s *stack) apitest.Answer {
		return s.adds(s.sale(), paper(), withAnchor(`{"text":"Prescription","anchorPoint":"MIDDLE"}`))
	}},
	{"anchor offset too far", func(s *stack) apitest.Answer {
		return s.adds(s.sale(), paper(), withAnchor(`{"text":"Prescription","leftOffset":1e6}`))
	}},
}

// wireDocument is what the tests of extraction read of a document.
type wireDocument struct {
	ID              string
	Extract         bool
	ExtractionTypes []string
	Approvals       []struct {
		ID, Role string
		Optional bool
		Fields   []struct {
			Name, Type, Subtype      string
			Page                     int
			Left, Top, Width, Height float64
		}
	}
}

// told is an approval in a line: its role and its fields.
func (d wireDocument) told() (out []string) {
	for _, a := range d.Approvals {
		line := a.Role
		for _, f := range a.Fields {
			line += " " + f.Subtype
		}
		out = append(out, line)
	}
	return out
}

func (s *stack) document(one, id string) (d wireDocument) {
	s.T.Helper()
	s.Get(one + "/documents/" + id).Want(200).Into(&d)
	return d
}

var extractForms = []string{"[Buyer.Fullname1]", "[Buyer.Capture1]", "[Buyer.Capture1.Textfield1]", "[Nobody.Fullname1]"}
var extractTags = []string{"{{esl:Buyer:signature}}", "{{esl_place:Buyer:textfield:size(100,20)}}", "{{?esl:Seller1:initials}}"}

// Fields of forms, text tags and anchors become approvals, however a document comes.
func testExtraction(t *testing.T, s *stack) {
	for name, c := range map[string]struct {
		file, members string
		want          string
	}{
		"form fields": {formPaper("", nil, extractForms...), `"extract":true`, "role1 FULLNAME|role1 CAPTURE TEXTFIELD"},
		"text tags":   {formPaper("", extractTags), `"extract":true,"extractionTypes":["TEXT_TAGS"]`, "role1 FULLNAME TEXTFIELD|role2 INITIALS"},
		"both": {formPaper("", extractTags, extractForms...), `"extract":true,"extractionTypes":["ACROFIELDS","TEXT_TAGS"]`,
			"role1 FULLNAME|role1 CAPTURE TEXTFIELD|role1 FULLNAME TEXTFIELD|role2 INITIALS"},
		"neither asked for": {formPaper("", extractTags, extractForms...), `"extract":false`, ""},
	} {
		posted := s.sale()
		s.adds(posted, c.file, c.members).Want(200)
		replaced := s.sale()
		s.adds(replaced, paper(), `"description":"was another file"`).Want(200)
		body, media := apitest.Multipart(apitest.Part{Name: "payload", Data: `{` + c.members + `}`}, apitest.Part{Name: "file", File: "new.pdf", Data: c.file})
		s.Do(apitest.Call{Method: "POST", Path: replaced + "/documents/d1", Media: media, Body: body}).Want(200)
		body, media = apitest.Multipart(apitest.Part{Name: "file", File: "new.pdf", Data: c.file},
			apitest.Part{Name: "payload", Data: `{"name":"Sale",` + buyers + `,"documents":[{"id":"d1","name":"Agreement",` + c.members + `}]}`})
		created := "/api/packages/" + s.Do(apitest.Call{Method: "POST", Path: "/api/packages", Media: media, Body: body}).Want(200).Text("id")
		for way, one := range map[string]string{"added": posted, "replaced": replaced, "created": created} {
			d := s.document(one, "d1")
			if got := strings.Join(d.told(), "|"); got != c.want || d.Extract != (c.want != "") {
				t.Errorf("%s, %s: %s, extract %v", name, way, got, d.Extract)
			}
		}
		if c.want != "" && name != "both" { // what was extracted is signed as anything else is
			s.Post(created, `{"status":"SENT"}`)
			if got := s.Get(created).Text("status"); got != "SENT" { // the form has nothing for the second role, who only looks on
				t.Errorf("%s: the package is %s", name, got)
			}
		}
	}
}

// An anchor places a field at a character of a text; in wire units, from the top left.
func testAnchors(t *testing.T, s *stack) {
	file := formPaper("", []string{"one", "Sign here", "Sign here"})
	anchor := `{"text":"Sign here","index":1,"characterIndex":0,"anchorPoint":"BOTTOMLEFT","leftOffset":13,"topOffset":26,"width":130,"height":39}`
	one := s.sale()
	s.adds(one, file, withAnchor(anchor)).Want(200)
	f := s.document(one, "d1").Approvals[0].Fields[0]
	if left := (72 + 10) * 1.3; f.Left < left-2 || f.Left > left+2 || f.Width != 130 || f.Height != 39 {
		t.Errorf("the field is at %v, %v, %v by %v", f.Left, f.Top, f.Width, f.Height)
	}
	if top := (792 - 640 + 20) * 1.3; f.Top < top-5 || f.Top > top+5 {
		t.Errorf("the field's top is %v, want about %v", f.Top, top)
	}
	s.adds(s.sale(), file, withAnchor(`{"text":"Sign here","index":2}`)).Want(400)
}

// What the airlock takes out of a document is told to who uploads it.
func testActiveContentIsTold(t *testing.T, s *stack) {
	script := formPaper("/OpenAction<</S/JavaScript/JS(app.alert\\(1\\))>>", []string{"Agreement"})
	one := s.sale()
	if notice := s.adds(one, script, `"description":""`).Want(200).Header.Get(noticeHeader); !strings.Contains(notice, `document "d1": Removed`) || !strings.Contains(notice, "JavaScript") {
		t.Errorf("added: the notice is %q", notice)
	}
	if notice := s.adds(s.sale(), paper(), `"description":""`).Want(200).Header.Get(noticeHeader); notice != "" {
		t.Errorf("a notice for nothing: %q", notice)
	}
	body, media := apitest.Multipart(apitest.Part{Name: "payload", Data: `{}`}, apitest.Part{Name: "file", File: "new.pdf", Data: script})
	replaced := s.Do(apitest.Call{Method: "PUT", Path: one + "/documents/d1", Media: media, Body: body}).Want(200)
	if notice := replaced.Header.Get(noticeHeader); !strings.Contains(notice, "JavaScript") {
		t.Errorf("replaced: the notice is %q", notice)
	}
	created := s.file(script).Want(200)
	if notice := created.Header.Get(noticeHeader); !strings.Contains(notice, "JavaScript") {
		t.Errorf("created: the notice is %q", notice)
	}
	shown := s.Get("/api/packages/" + created.Text("id") + "/documents/" + seedDocument + "/pdf").Want(200)
	if bytes.Contains(shown.Body, []byte("app.alert")) {
		t.Error("the script is still there")
	}
}
