package congasign

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	jsonv2 "github.com/go-json-experiment/json"

	"countersign.dev/internal/api"
	"countersign.dev/internal/errs"
	"countersign.dev/internal/signing"
)

func TestClaim(t *testing.T) {
	for path, want := range map[string]string{
		"/api/cs-groups":         "/groups",
		"/api/groups":            "/groups",
		"/api/sign/v1/cs-groups": "/groups",
		"/api/sign/v1/groups":    "/groups",
		"/api/cs-packages/9sKhW-h-qS9m6Ho3zRv3n2a-rkI=":  "/packages/9sKhW-h-qS9m6Ho3zRv3n2a-rkI=",
		"/api/sign/v1/cs-packages/a/roles":               "/packages/a/roles",
		"/api/sign/v1/sign/cs-packages":                  "/packages",
		"/api/sign/v1/sign/cs-packages/a":                "/packages/a",
		"/v1/sign/cs-packages":                           "/packages",
		"/v1/sign/cs-packages/a/documents":               "/packages/a/documents",
		"/api/account/senders":                           "/account/senders",
		"/api/cs-users":                                  "/users",
		"/api/packages/packages":                         "/packages/packages",
		"/api/packages/a/documents/cs-b":                 "/packages/a/documents/cs-b",
		"/v1/sign/packages":                              "",
		"/v1/sign/cs-groups":                             "",
		"/api/rest/v6":                                   "",
		"/api/rest/v6/agreements":                        "",
		"/api/gateway/adobesignauthservice/api/v1/token": "",
		"/api/user-management/v1/users":                  "",
		"/api/v1/auth/connect/token":                     "",
		"/api/users":                                     "",
		"/api/Users":                                     "",
		"/api/USERS/1":                                   "",
		"/api/accounts":                                  "",
		"/api/Accounts/1":                                "",
		"/groups":                                        "",
		"/apix/groups":                                   "",
		"/":                                              "",
	} {
		got, ok := claim(path)
		if ok != (want != "") || ok && got != want {
			t.Errorf("claim(%s) = %s, %v; want %q", path, got, ok, want)
		}
	}
}

// What a client sent comes back as the same number.
func TestUnitsRoundTrip(t *testing.T) {
	for _, n := range []float64{0, 1, 217, 512, 235, 52, 100, 795.6, 0.1, 33.333333} {
		if got := units(points(n)); got != n {
			t.Errorf("%v came back as %v", n, got)
		}
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		n := math.Round(random.Float64()*2000*1e4) / 1e4
		if got := units(points(n)); got != n {
			t.Fatalf("%v came back as %v", n, got)
		}
	}
	if w, h := pageUnits(612), pageUnits(792); w != 796 || h != 1030 {
		t.Errorf("Letter is %v by %v", w, h)
	}
	if got := points(195); math.Abs(got-150) > 1e-9 {
		t.Errorf("195 units are %v points", got)
	}
}

func TestDates(t *testing.T) {
	out, err := jsonv2.Marshal(date(time.Date(2017, 11, 20, 20, 3, 28, 999_000_000, time.FixedZone("", 3600))))
	if err != nil || string(out) != `"2017-11-20T19:03:28Z"` {
		t.Errorf("%s, %v", out, err)
	}
	for text, want := range map[string]string{
		"2018-06-30T20:04:55Z": "2018-06-30T20:04:55Z", "2018-06-30T20:04:55.384Z": "2018-06-30T20:04:55Z",
		"2018-06-30T22:04:55+02:00": "2018-06-30T20:04:55Z", "2018-06-30T22:04:55+0200": "2018-06-30T20:04:55Z", "2018-06-30": "2018-06-30T00:00:00Z",
	} {
		var d date
		if err := api.Decode([]byte(`"`+text+`"`), &d); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if got, _ := d.MarshalText(); string(got) != want {
			t.Errorf("%s became %s", text, got)
		}
	}
	for _, text := range []string{"tomorrow", "2018-13-01", "30.06.2018", ""} {
		var d date
		if err := api.Decode([]byte(`"`+text+`"`), &d); !errs.Is(err, "json.type") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestBase64(t *testing.T) {
	for text, want := range map[string]string{"SGVsbG8=": "Hello", "SGVsbG8": "Hello", "SGVs\\r\\nbG8=": "Hello", "": ""} {
		var b base64Bytes
		if err := api.Decode([]byte(`"`+text+`"`), &b); err != nil || string(b) != want {
			t.Errorf("%s: %q, %v", text, b, err)
		}
	}
}

func TestWithoutNulls(t *testing.T) {
	in := `{"ceremony":{"inPerson":true,"style":null,"events":{"a":null,"b":[{"c":null,"d":1.5}]}},"layout":null,"max":2147483647}`
	want := `{"ceremony":{"events":{"b":[{"d":1.5}]},"inPerson":true},"max":2147483647}`
	if got := withoutNulls(json.RawMessage(in)); string(got) != want {
		t.Errorf("%s", got)
	}
}

// Files are matched to documents by name, else by order, in whatever order they came.
func TestUploadMatching(t *testing.T) {
	file := func(name string) api.Part { return api.Part{Name: "file", File: name, Data: []byte(name)} }
	for name, c := range map[string]struct {
		docs  []documentIn
		files []api.Part
		want  []string // the bytes of each document, or the refusal
	}{
		"by order":           {[]documentIn{{Name: "x"}, {Name: "y"}}, []api.Part{file("1.pdf"), file("2.pdf")}, []string{"1.pdf", "2.pdf"}},
		"by name":            {[]documentIn{{Name: "b"}, {Name: "a"}}, []api.Part{file("a.pdf"), file("b.pdf")}, []string{"b.pdf", "a.pdf"}},
		"by whole name":      {[]documentIn{{Name: "Second"}, {Name: "First"}}, []api.Part{file("First"), file("Second")}, []string{"Second", "First"}},
		"name and order":     {[]documentIn{{Name: "x"}, {Name: "a"}}, []api.Part{file("a.pdf"), file("b.pdf")}, []string{"b.pdf", "a.pdf"}},
		"two of one name":    {[]documentIn{{Name: "a"}, {Name: "a"}}, []api.Part{file("a.pdf"), file("a.doc.pdf")}, []string{"a.pdf", "a.doc.pdf"}},
		"base64 and file":    {[]documentIn{{Name: "x", Base64Content: base64Bytes("b64")}, {Name: "y"}}, []api.Part{file("1.pdf")}, []string{"b64", "1.pdf"}},
		"no document listed": {nil, []api.Part{file("1.pdf"), file("2.pdf")}, []string{"1.pdf", "2.pdf"}},
		"none at all":        {nil, nil, nil},
		"file missing":       {[]documentIn{{Name: "x"}, {Name: "y"}}, []api.Part{file("1.pdf")}, []string{"document.no_file"}},
		"file left over":     {[]documentIn{{Name: "x"}}, []api.Part{file("1.pdf"), file("2.pdf")}, []string{"file.unmatched"}},
	} {
		docs, err := upload{files: c.files}.documents(c.docs)
		var got []string
		for _, d := range docs {
			got = append(got, string(d.PDF))
		}
		if err != nil {
			got = []string{err.(*errs.Error).What}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	docs, _ := upload{files: []api.Part{file("Vertrag.2.pdf")}}.documents(nil)
	if docs[0].Name != "Vertrag.2" {
		t.Errorf("the document is called %q", docs[0].Name)
	}
}

// An acceptance comes in as a signature without extent and goes out without a signature; fields come back in the libraries' order.
func TestApprovalFields(t *testing.T) {
	accepted, err := approvalIn{Fields: []fieldIn{{Type: "SIGNATURE", Subtype: "FULLNAME"}}}.core()
	if err != nil || len(accepted.Fields) != 0 {
		t.Errorf("%+v, %v", accepted, err)
	}
	out := wordApproval(signing.Approval{Fields: []signing.Field{
		{OuterID: "text", Type: "INPUT", Subtype: "TEXTFIELD"}, {OuterID: "label", Type: "INPUT", Subtype: "LABEL", Binding: "{signer.title}"},
		{OuterID: "box", Type: "INPUT", Subtype: "CHECKBOX"}, {OuterID: "sign", Type: "SIGNATURE", Subtype: "FULLNAME"},
	}})
	var order []string
	for _, f := range out.Fields {
		order = append(order, f.ID)
	}
	if got := strings.Join(order, " "); got != "sign label text box" {
		t.Errorf("fields in the order %s", got)
	}
}

func TestGroupAddress(t *testing.T) {
	if got := groupOfAddress("540b86f9-2d93@Groups.E-SignLive.com"); got != "540b86f9-2d93" {
		t.Errorf("%q", got)
	}
	for _, email := range []string{"a@example.com", "", "x@groups.e-signlive.com.example.com"} {
		if got := groupOfAddress(email); got != "" {
			t.Errorf("%s is group %q", email, got)
		}
	}
}

// The types of the vendor's audit vocabulary; a client may know no others.
func TestVocabulary(t *testing.T) {
	types := []string{"Accept", "Click To Sign", "Click To Initial", "Capture Signature", "Confirm", "Download", "Download Zip", "Form Field",
		"Login", "View", "Opt Out", "Signing Session For Recipient", "Decline"}
	targets := []string{"Document", "Package", "AuthMethod", "Account", "CHALLENGE", "SMS", "SSO", "EMAIL_LINK", "Knowledge Based Authentication"}
	for ours, theirs := range vocabulary {
		if !slices.Contains(types, theirs.kind) || !slices.Contains(targets, theirs.target) {
			t.Errorf("%s: %+v", ours, theirs)
		}
	}
}

// The core tells one name of who declined; clients read two.
func TestDeclinersName(t *testing.T) {
	p := signing.Package{Roles: []signing.Role{{OuterID: "r1", Signer: signing.Signer{FirstName: "Ana Maria", LastName: "de la Cruz"}}, {OuterID: "g1"}}}
	for _, c := range []struct{ role, by, first, last string }{
		{"r1", "Ana Maria de la Cruz", "Ana Maria", "de la Cruz"}, {"g1", "John Smith", "John", "Smith"}, {"r1", "Mary Ann Doe", "Mary Ann", "Doe"}, {"g1", "Cher", "Cher", ""},
	} {
		from := wordRefusal(signing.Refusal{Role: c.role, By: c.by}, p).From
		if from.Name != c.by || from.FirstName != c.first || from.LastName != c.last {
			t.Errorf("%s: %q, %q, %q", c.by, from.Name, from.FirstName, from.LastName)
		}
	}
}
