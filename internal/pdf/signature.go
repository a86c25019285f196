package pdf

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"sort"
	"time"
)

// SignatureField is one signature as it stands in a file. Nothing of it is verified but
// its structure.
type SignatureField struct {
	Field           string    `json:"field"` // the name of its form field
	Type            string    `json:"type"`  // Sig or DocTimeStamp
	SubFilter       string    `json:"subFilter"`
	Name            string    `json:"name"`
	Reason          string    `json:"reason"`
	Location        string    `json:"location"`
	SigningTime     time.Time `json:"signingTime"` // claimed; zero when absent or unreadable
	ByteRange       [4]int64  `json:"byteRange"`
	CMS             []byte    `json:"cms"`             // DER, without the padding
	DocMDP          int       `json:"docMDP"`          // 1 to 3 for a certification, else 0
	CoversWholeFile bool      `json:"coversWholeFile"` // its byte range ends where the file ends
	GapExact        bool      `json:"gapExact"`        // the hole is exactly its own Contents
}

// Sum is the SHA-256 of the bytes the signature covers. It fails when the range does not
// lie in doc. The parent computes it: a child's word is not enough.
func (s SignatureField) Sum(doc []byte) (sum [32]byte, err error) {
	r, size := s.ByteRange, int64(len(doc))
	if r[0] < 0 || r[1] < 0 || r[2] < 0 || r[3] < 0 || r[0] > size || r[1] > size-r[0] || r[2] > size || r[3] > size-r[2] {
		return sum, fmt.Errorf("%w: byte range %v in %d bytes", errFault, r, size)
	}
	h := sha256.New()
	h.Write(doc[r[0] : r[0]+r[1]])
	h.Write(doc[r[2] : r[2]+r[3]])
	h.Sum(sum[:0])
	return sum, nil
}

// Structure is what a file says about its signatures.
type Structure struct {
	Signatures    []SignatureField `json:"signatures"` // in the order they were made
	Revisions     int              `json:"revisions"`  // incremental updates, plus one
	TrailingBytes int64            `json:"trailingBytes"`
	// Problems is everything because of which a strict verifier must not call the file
	// intact; English sentences. Empty when there are none.
	Problems    []string     `json:"problems"`
	Attachments []Attachment `json:"attachments"`
}

// reading is one reading of a signed file.
type reading struct {
	f      *file
	out    Structure
	fields map[int]string // field name by object number of the signature dictionary
	order  []int          // object numbers of signature dictionaries
	spans  map[int][2]int // place of Contents
}

func (r *reading) problem(format string, args ...any) {
	if len(r.out.Problems) < 50 {
		r.out.Problems = append(r.out.Problems, fmt.Sprintf(format, args...))
	}
}

// signatures reads the structure, in the child.
func signatures(doc []byte, limits Limits) (Structure, error) {
	if !bytes.HasPrefix(doc, []byte("%PDF-")) {
		return Structure{}, refuse(Broken, "there is something before the header")
	}
	f, err := openAny(doc, limits)
	if err != nil {
		return Structure{}, err
	}
	if f.trailer["Encrypt"] != nil {
		return Structure{}, refuse(Encrypted, "the document is encrypted")
	}
	r := &reading{f: f, fields: map[int]string{}, spans: map[int][2]int{}}
	r.out.Revisions = f.revisions()
	for _, step := range []func() error{r.walkForm, r.collect, r.permissions, r.attachments} {
		if err := step(); err != nil {
			return Structure{}, err
		}
	}
	r.compare()
	if f.oddEnd != "" {
		r.problem("%s", f.oddEnd)
	}
	for _, odd := range f.oddities {
		r.problem("%s", odd)
	}
	return r.out, nil
}

// revisions counts cross-reference sections, hybrid halves and the two of a linearized
// file as one.
func (f *file) revisions() int {
	n := 0
	for _, s := range f.sections {
		if !s.hybrid {
			n++
		}
	}
	if n > 1 && bytes.Contains(f.data[:min(1024, len(f.data))], []byte("/Linearized")) {
		n--
	}
	return n
}

// walkForm finds the signature fields of the form.
func (r *reading) walkForm() error {
	cat, err := r.f.catalog()
	if err != nil {
		return err
	}
	form, err := r.f.dict(cat["AcroForm"])
	if err != nil || form == nil {
		return err
	}
	fields, err := r.f.array(form["Fields"])
	if err != nil {
		return err
	}
	return r.walkFields(fields, "", "", map[int]bool{}, 0)
}

func (r *reading) walkFields(fields array, kind name, prefix string, seen map[int]bool, depth int) error {
	for _, o := range fields {
		if at, ok := o.(ref); ok {
			if seen[at.num] || depth > maxDepth {
				return fmt.Errorf("form fields: %w", errLoop)
			}
			seen[at.num] = true
		}
		d, err := r.f.dict(o)
		if err != nil {
			return err
		}
		ft := kind
		if own := d.name("FT"); own != "" {
			ft = own
		}
		label := prefix
		if t, err := r.f.resolve(d["T"]); err == nil {
			if s, ok := t.(text); ok {
				label = join(prefix, readText(s))
			}
		}
		if ft == "Sig" && d["V"] != nil {
			r.fieldValue(d["V"], label)
		}
		kids, err := r.f.array(d["Kids"])
		if err != nil {
			return err
		}
		if err := r.walkFields(kids, ft, label, seen, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func join(prefix, label string) string {
	if prefix == "" {
		return label
	}
	return prefix + "." + label
}

func (r *reading) fieldValue(v object, label string) {
	at, ok := v.(ref)
	if !ok {
		r.problem("the signature in field %q is not an object of its own", label)
		return
	}
	if other, twice := r.fields[at.num]; twice {
		r.problem("the fields %q and %q have the same signature", other, label)
	}
	r.fields[at.num] = label
	d, err := r.f.dict(at)
	if err != nil || d["ByteRange"] == nil || d["Contents"] == nil {
		r.problem("the signature in field %q has no byte range or no content", label)
	}
}

// collect reads every signature dictionary in use, wherever it hangs.
func (r *reading) collect() error {
	numbers := make([]int, 0, len(r.f.table))
	for num := range r.f.table {
		numbers = append(numbers, num)
	}
	sort.Ints(numbers)
	for _, num := range numbers {
		o, err := r.f.load(ref{num, r.f.table[num].gen})
		if err != nil {
			return err
		}
		d, ok := o.(dict)
		if !ok || d["ByteRange"] == nil && d.name("Type") != "Sig" && d.name("Type") != "DocTimeStamp" {
			continue
		}
		if d.name("FT") == "Sig" { // a field, whose Type should not be there
			continue
		}
		if err := r.signature(num, d); err != nil {
			return err
		}
	}
	if n := bytes.Count(r.f.data, []byte("/ByteRange")); n > len(r.order) {
		r.problem("the file contains %d byte ranges, but only %d signatures are in use", n, len(r.order))
	}
	return nil
}

func (r *reading) signature(num int, d dict) error {
	s := SignatureField{Type: string(d.name("Type")), SubFilter: string(d.name("SubFilter"))}
	label, used := r.fields[num]
	if !used {
		r.problem("the signature in object %d belongs to no field", num)
	}
	s.Field = label
	s.Name, s.Reason, s.Location = r.text(d["Name"]), r.text(d["Reason"]), r.text(d["Location"])
	s.SigningTime = readDate(r.text(d["M"]))
	contents, _ := d["Contents"].(text)
	if err := r.readRange(num, d, &s); err != nil {
		return err
	}
	s.CMS = r.unpad(num, contents)
	mdp, err := r.docMDP(d)
	if err != nil {
		return err
	}
	s.DocMDP = mdp
	r.order = append(r.order, num)
	r.out.Signatures = append(r.out.Signatures, s)
	return nil
}

func (r *reading) text(o object) string {
	o, err := r.f.resolve(o)
	if err != nil {
		return ""
	}
	t, _ := o.(text)
	return readText(t)
}

// readRange checks the byte range against the file and against the dictionary's own
// Contents: a hole that holds more than that is how signatures are wrapped.
func (r *reading) readRange(num int, d dict, s *SignatureField) error {
	numbers, ok := d["ByteRange"].(array)
	if !ok || len(numbers) != 4 {
		r.problem("the signature in object %d has no byte range of four numbers", num)
		return nil
	}
	for i, o := range numbers {
		v, ok := o.(int64)
		if !ok || v < 0 {
			r.problem("the signature in object %d has a byte range that is not four numbers", num)
			return nil
		}
		s.ByteRange[i] = v
	}
	b, size := s.ByteRange, int64(len(r.f.data))
	if b[0] != 0 {
		r.problem("the byte range of the signature in object %d does not start at 0", num)
	}
	if b[1] <= 0 || b[2] <= b[1] || b[2] > size || b[3] > size-b[2] {
		r.problem("the byte range of the signature in object %d does not lie in the file", num)
		return nil
	}
	s.CoversWholeFile = b[0] == 0 && b[2]+b[3] == size
	span, err := r.contentsSpan(num)
	if err != nil {
		return err
	}
	s.GapExact = b[0] == 0 && int64(span[0]) == b[1] && int64(span[1]) == b[2] && hexOnly(r.f.data[b[1]:b[2]])
	if !s.GapExact {
		r.problem("the hole in the byte range of the signature in object %d is not exactly its content", num)
	}
	return nil
}

// contentsSpan finds where the Contents of an object stand in the file.
func (r *reading) contentsSpan(num int) (span [2]int, err error) {
	e := r.f.table[num]
	if e.compressed {
		r.problem("the signature in object %d is compressed", num)
		return span, nil
	}
	count := 0
	p := &parser{data: r.f.data, pos: int(e.offset), value: func(key name, start, end int) {
		if key == "Contents" {
			span = [2]int{start, end}
			count++
		}
	}}
	_, err = r.f.indirect(p, num, e.gen)
	if count > 1 {
		r.problem("the signature in object %d has two contents", num)
	}
	return span, err
}

func hexOnly(gap []byte) bool {
	if len(gap) < 2 || gap[0] != '<' || gap[len(gap)-1] != '>' {
		return false
	}
	for _, c := range gap[1 : len(gap)-1] {
		if _, ok := hexDigit(c); !ok {
			return false
		}
	}
	return true
}

// unpad cuts a DER structure out of its zero padding by its own length (X.690 §8.1.3).
func (r *reading) unpad(num int, contents text) []byte {
	if len(contents) < 2 {
		r.problem("the signature in object %d is empty", num)
		return nil
	}
	length, at := int(contents[1]), 2
	if length == 0x80 { // indefinite: only a CMS reader can tell its end
		return contents
	}
	if length > 0x80 {
		n := length - 0x80
		length = 0
		if n > 4 || at+n > len(contents) {
			r.problem("the signature in object %d is not DER", num)
			return nil
		}
		for range n {
			length = length<<8 | int(contents[at])
			at++
		}
	}
	if length > len(contents)-at {
		r.problem("the signature in object %d is cut short", num)
		return nil
	}
	if rest := contents[at+length:]; len(bytes.Trim(rest, "\x00")) > 0 {
		r.problem("there is content behind the signature in object %d", num)
	}
	return contents[:at+length]
}

// docMDP returns the permissions of a certification signature (§12.8.2.2), else 0.
func (r *reading) docMDP(d dict) (int, error) {
	refs, err := r.f.array(d["Reference"])
	if err != nil {
		return 0, err
	}
	for _, o := range refs {
		d, err := r.f.dict(o)
		if err != nil {
			return 0, err
		}
		if d.name("TransformMethod") != "DocMDP" {
			continue
		}
		params, err := r.f.dict(d["TransformParams"])
		if err != nil {
			return 0, err
		}
		if p, ok := params["P"].(int64); ok && p >= 1 && p <= 3 {
			return int(p), nil
		}
		return 2, nil // the default
	}
	return 0, nil
}

// permissions compares the catalog's Perms with the certification signature.
func (r *reading) permissions() error {
	cat, err := r.f.catalog()
	if err != nil {
		return err
	}
	perms, err := r.f.dict(cat["Perms"])
	if err != nil {
		return err
	}
	pointed, _ := perms["DocMDP"].(ref)
	certified := 0
	for i, num := range r.order {
		if r.out.Signatures[i].DocMDP == 0 {
			continue
		}
		certified++
		if pointed.num != num {
			r.problem("the certification signature in object %d is not the one the catalog names", num)
		}
	}
	if certified > 1 {
		r.problem("the file has %d certification signatures", certified)
	}
	if perms["DocMDP"] != nil && certified == 0 {
		r.problem("the catalog names a certification that no signature makes")
	}
	return nil
}

// compare puts the signatures in order and holds them against each other and the file.
func (r *reading) compare() {
	list := r.out.Signatures
	sort.SliceStable(list, func(i, k int) bool { return end(list[i]) < end(list[k]) })
	last := int64(0)
	for i, s := range list {
		if i > 0 && s.ByteRange[1] < end(list[i-1]) {
			r.problem("the byte ranges of the signatures %d and %d overlap", i, i+1)
		}
		last = max(last, end(s))
		if !s.CoversWholeFile && end(s) > 0 {
			r.revision(i, s)
		}
	}
	if len(list) == 0 {
		return
	}
	r.out.TrailingBytes = int64(len(r.f.data)) - last
	if r.out.TrailingBytes > 0 {
		r.problem("the file goes on for %d bytes after the last signature", r.out.TrailingBytes)
	}
}

func end(s SignatureField) int64 { return s.ByteRange[2] + s.ByteRange[3] }

// revision checks that what an earlier signature covers is a whole file by itself.
func (r *reading) revision(i int, s SignatureField) {
	if end(s) > int64(len(r.f.data)) {
		return // already a problem
	}
	if _, err := open(r.f.data[:end(s)], r.f.limits); err != nil {
		r.problem("what signature %d covers is not a file by itself: %v", i+1, err)
	}
}
