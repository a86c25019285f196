package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	random "math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"countersign.dev/internal/db"
	"countersign.dev/internal/evidence"
	"countersign.dev/internal/pdf"
	"countersign.dev/internal/seal"
	"countersign.dev/internal/secret"
)

// paperItems are the work on documents, without database or pages around it: in a
// process with a warm pool of children, by one caller, held against another process.
var paperItems = []item{
	onPaper("B8a", "seal 1 page / hash, sign P-256, copy", 0.5, "/seal/1", "/bare/1"),
	onPaper("B8b", "seal 20 pages / the same", 0.5, "/seal/20", "/bare/20"),
	onPaper("B8c", "seal 200 pages / the same", 0.5, "/seal/200", "/bare/200"),
	onPaper("B8d", "seal 10 scans, 5.7 MB / the same", 0.5, "/seal/scans", "/bare/scans"),
	onPaper("B8e", "seal 200 pages / seal 20", 0.25, "/seal/200", "/seal/20"),
	onPaper("B10-text", "page of text at 100 dpi, drawn / mutool draw, PNG", 1/1.5, "/draw/1", "/mutool/1"),
	onPaper("B10-scan", "scanned page at 100 dpi, drawn / mutool draw, PNG", 1/1.5, "/draw/scans", "/mutool/scans"),
}

// onPaper holds one work against another by processor time.
func onPaper(id, work string, goal float64, ours, other string) item {
	return item{id: id, work: work, status: http.StatusOK, goal: always(goal), byCPU: true,
		sides: func(ctx context.Context, b *bench) (one, two side, err error) {
			if _, err := exec.LookPath("mutool"); strings.HasPrefix(other, "/mutool") && err != nil {
				return one, two, fmt.Errorf("%w: mutool", errMissing)
			}
			for len(b.papers) < 2 {
				spec := paperSpec{filepath.Join(b.tenant.config.Data, fmt.Sprintf("paper%d", len(b.papers))), b.tenant.config.Cache}
				c, err := startChild("role-paper", spec, 1)
				if err != nil {
					return one, two, err
				}
				b.papers = append(b.papers, c)
			}
			one = side{child: b.papers[0], database: noEngine, next: same(request("GET", ours, "", "", ""))}
			two = side{child: b.papers[1], database: noEngine, next: same(request("GET", other, "", "", ""))}
			return one, two, nil
		}}
}

// paperSpec starts a process that works on documents.
type paperSpec struct{ Dir, Cache string }

// paper is that process.
type paper struct {
	spec paperSpec
	docs map[string][]byte
	jail *pdf.Jail
	keys *seal.Keys
	bare *ecdsa.PrivateKey
}

// servePaper is the child that works on documents.
func servePaper(spec string) (err error) {
	p := &paper{}
	if err := json.Unmarshal([]byte(spec), &p.spec); err != nil {
		return err
	}
	if err := os.MkdirAll(p.spec.Dir, 0o700); err != nil {
		return err
	}
	ctx := context.Background()
	scans, err := scansOf(10)
	if err != nil {
		return err
	}
	p.docs = map[string][]byte{"1": pdfOf(1), "20": pdfOf(20), "200": pdfOf(200), "scans": scans}
	for name, doc := range p.docs { // for mutool
		if err := os.WriteFile(p.file(name), doc, 0o600); err != nil {
			return err
		}
	}
	if p.bare, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return err
	}
	if p.jail, err = pdf.Open(ctx, pdf.Config{CacheDir: p.spec.Cache, Limits: pdf.Limits{Bytes: 16 << 20}}); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.jail.Close()) }()
	if err := p.openKeys(ctx); err != nil {
		return err
	}
	main, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() { _ = http.Serve(main, p.handler()) }() // until the process ends
	if err := errors.Join(p.jail.Ready(ctx), announce(main, http.NewServeMux())); err != nil {
		return err
	}
	return waitForEnd()
}

func (p *paper) file(name string) string { return filepath.Join(p.spec.Dir, name+".pdf") }

// openKeys makes a seal key, as the server at its first start.
func (p *paper) openKeys(ctx context.Context) error {
	box, err := secret.Open(p.spec.Dir, "")
	if err != nil {
		return err
	}
	d, err := db.Open(ctx, db.Config{URL: "sqlite:" + filepath.Join(p.spec.Dir, "keys.db")})
	if err != nil {
		return err
	}
	p.keys, err = seal.Open(ctx, d, box, seal.Config{})
	return errors.Join(err, d.Close())
}

func (p *paper) handler() http.Handler {
	works := map[string]func(ctx context.Context, name string) ([]byte, error){
		"seal": p.seal,
		"bare": func(_ context.Context, name string) ([]byte, error) { return signBare(p.bare, p.docs[name]) },
		"draw": func(ctx context.Context, name string) ([]byte, error) {
			return p.jail.Render(ctx, p.docs[name], 0, 100)
		},
		"mutool": func(ctx context.Context, name string) ([]byte, error) {
			return exec.CommandContext(ctx, "mutool", "draw", "-q", "-r", "100", "-F", "png", "-o", "-", p.file(name), "1").Output()
		},
	}
	mux := http.NewServeMux()
	for name, work := range works {
		mux.HandleFunc("GET /"+name+"/{doc}", func(w http.ResponseWriter, r *http.Request) {
			made, err := work(r.Context(), r.PathValue("doc"))
			if err == nil && len(made) < 1000 {
				err = errors.New("nothing was made")
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
			}
		})
	}
	return mux
}

// seal stamps, appends the evidence and signs, as the seal job does.
func (p *paper) seal(ctx context.Context, name string) ([]byte, error) {
	dossier := dossierOf(p.docs[name], map[string]int{"1": 1, "20": 20, "200": 200, "scans": 10}[name])
	prepared, err := p.jail.Compose(ctx, pdf.Job{Doc: p.docs[name], Append: evidence.Pages(p.jail, dossier, &dossier.Documents[0]),
		Overlays:  []pdf.Overlay{{Items: []pdf.Item{pdf.Text{X: 100, Y: 600, Size: 12, String: "Mary Doe"}}}},
		Attach:    []pdf.Attachment{evidence.Attachment(dossier)},
		Container: &pdf.Container{Reserve: seal.Reserve, Name: "Countersign", Reason: "Signed by all", Time: dossier.Package.Completed, Certify: true}})
	if err != nil {
		return nil, err
	}
	cms, err := p.keys.Sign(prepared.Digest)
	if err != nil {
		return nil, err
	}
	return prepared.Patch(cms)
}

// dossierOf is the evidence of one signature, whose signer was shown every page.
func dossierOf(doc []byte, pages int) evidence.Dossier {
	now := time.Now()
	d := evidence.Dossier{Product: "Countersign", Server: "http://127.0.0.1:1",
		Package: evidence.Package{ID: "cGFja2FnZQ==", Name: "Prescription", Sender: "Orders", SenderEmail: "orders@example.com",
			Account: "Example Pharmacy", Created: now, Sent: now, Completed: now},
		Documents: []evidence.Document{{Name: "Prescription", Original: sha256.Sum256(doc), Pages: pages}},
		Signatures: []evidence.Signature{{Name: "Mary Doe", Email: payloadEmail, Role: "Signer", Signed: now, IP: "127.0.0.1", UserAgent: "bench",
			Identified: "personal link", ID: "CS-1234-5678", EventID: "e1", Documents: []string{"Prescription"}, PagesSeen: pages}}}
	for i := range pages {
		d.Documents[0].PageImages = append(d.Documents[0].PageImages, evidence.PageImage{Page: i + 1, DPI: 100, SHA256: d.Documents[0].Original})
	}
	for _, what := range []string{"package.created", "package.sent", "link.opened", "lease.taken", "document.viewed", "consent.accepted", "role.signed"} {
		d.Events = append(d.Events, evidence.Event{At: now, Type: what, Actor: "Mary Doe", Email: payloadEmail, IP: "127.0.0.1", ID: what})
	}
	return d
}

// signBare is the least that any signing does: hash, sign, copy.
func signBare(key *ecdsa.PrivateKey, doc []byte) ([]byte, error) {
	sum := sha256.Sum256(doc)
	signature, err := ecdsa.SignASN1(rand.Reader, key, sum[:])
	return append(slices.Clone(doc), signature...), err
}

// scansOf is a PDF of n pages that are pictures of grainy paper, 0.57 MB each.
func scansOf(n int) ([]byte, error) {
	picture := image.NewGray(image.Rect(0, 0, 1275, 1650))
	grain := random.New(random.NewPCG(1, 2))
	for i := range picture.Pix {
		picture.Pix[i] = 220 + uint8(grain.IntN(scanGrain))
		if i/picture.Stride%40 < 12 && i%25 < 14 { // as if print
			picture.Pix[i] /= 4
		}
	}
	var coded bytes.Buffer
	if err := jpeg.Encode(&coded, picture, &jpeg.Options{Quality: 83}); err != nil {
		return nil, err
	}
	w := &pdfWriter{}
	w.head(n, 3)
	for i := range n {
		own := 3 + 3*i
		w.add("<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents %d 0 R/Resources<</XObject<</I %d 0 R>>>>>>", own+1, own+2)
		w.add("<</Length 25>>stream\n612 0 0 792 0 0 cm /I Do \nendstream")
		w.add("<</Type/XObject/Subtype/Image/Width 1275/Height 1650/ColorSpace/DeviceGray/BitsPerComponent 8/Filter/DCTDecode/Length %d>>stream\n%s\nendstream",
			coded.Len(), coded.String())
	}
	return w.end(), nil
}

// scanGrain is how much the paper's grey varies, for the size wanted.
const scanGrain = 30
