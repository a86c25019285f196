package pdf

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/klippa-app/go-pdfium"
	"github.com/klippa-app/go-pdfium/enums"
	pdfiumerr "github.com/klippa-app/go-pdfium/errors"
	"github.com/klippa-app/go-pdfium/references"
	"github.com/klippa-app/go-pdfium/requests"
	"github.com/klippa-app/go-pdfium/structs"
	"github.com/klippa-app/go-pdfium/webassembly"
	"github.com/tetratelabs/wazero"
)

// wasmPages bounds PDFium's memory, in pages of 64 KiB: half of the default data limit,
// because growing copies it.
const wasmPages = 3072

// engine is PDFium in its WebAssembly sandbox: no files but our fonts, no environment,
// bounded memory. Only a child has one, for one document.
type engine struct {
	pdfium pdfium.Pdfium
}

// newEngine starts PDFium with the compiled code found in cacheDir, or compiles it
// there (seconds) when the directory is empty and writable.
func newEngine(cacheDir string) (*engine, error) {
	cache, err := wazero.NewCompilationCacheWithDir(cacheDir)
	if err != nil {
		return nil, err
	}
	pool, err := webassembly.Init(webassembly.Config{
		MaxIdle: 1, MaxTotal: 1,
		// A nil FSConfig would mount the host's root directory.
		FSConfig: wazero.NewFSConfig().WithFSMount(fontRoot{}, "/"),
		RuntimeConfig: wazero.NewRuntimeConfig().
			WithCompilationCache(cache).
			WithMemoryLimitPages(wasmPages),
		Stdout: io.Discard, Stderr: io.Discard,
	})
	if err != nil {
		return nil, err
	}
	instance, err := pool.GetInstanceWithContext(context.Background())
	if err != nil {
		return nil, err
	}
	return &engine{pdfium: instance}, nil
}

// load opens doc without a password.
func (e *engine) load(doc []byte) (references.FPDF_DOCUMENT, error) {
	r, err := e.pdfium.OpenDocument(&requests.OpenDocument{File: &doc})
	if errors.Is(err, pdfiumerr.ErrPassword) || errors.Is(err, pdfiumerr.ErrSecurity) {
		return "", refuse(Encrypted, "a password is needed to open the document")
	}
	if err != nil {
		return "", fmt.Errorf("PDFium: %w", err)
	}
	return r.Document, nil
}

// trapped tells whether PDFium stopped itself, as it does when its memory is full. The
// instance is of no use after that.
func trapped(err error) bool { return err != nil && strings.Contains(err.Error(), "wasm error") }

// sizes returns the displayed size of every page; at most limit+1 pages are read.
func (e *engine) sizes(doc []byte, limit int) ([]Page, error) {
	d, err := e.load(doc)
	if err != nil {
		return nil, err
	}
	defer e.close(d)
	count, err := e.pdfium.FPDF_GetPageCount(&requests.FPDF_GetPageCount{Document: d})
	if err != nil {
		return nil, err
	}
	pages := make([]Page, 0, limit)
	for i := range min(count.PageCount, limit+1) {
		s, err := e.pdfium.FPDF_GetPageSizeByIndex(&requests.FPDF_GetPageSizeByIndex{Document: d, Index: i})
		if err != nil {
			return nil, fmt.Errorf("PDFium, page %d: %w", i+1, err)
		}
		pages = append(pages, Page{s.Width, s.Height})
	}
	return pages, nil
}

func (e *engine) close(d references.FPDF_DOCUMENT) {
	_, _ = e.pdfium.FPDF_CloseDocument(&requests.FPDF_CloseDocument{Document: d})
}

// save rewrites doc as a whole, without encryption: PDFium's way to repair.
func (e *engine) save(doc []byte) ([]byte, error) {
	d, err := e.load(doc)
	if err != nil {
		return nil, err
	}
	defer e.close(d)
	var out bytes.Buffer
	_, err = e.pdfium.FPDF_SaveAsCopy(&requests.FPDF_SaveAsCopy{
		Document: d, Flags: requests.SaveFlagRemoveSecurity, FileWriter: &out,
	})
	if err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// render draws a page, with annotations and form fields, on white, as PNG.
func (e *engine) render(doc []byte, page, dpi int) ([]byte, error) {
	d, err := e.load(doc)
	if err != nil {
		return nil, err
	}
	ref, size, err := e.page(d, page)
	if err != nil {
		return nil, err
	}
	scale := float64(dpi) / 72 * unitOf(doc, page)
	w := max(1, int(math.Round(size.Width*scale)))
	h := max(1, int(math.Round(size.Height*scale)))
	if w*h > maxPixels/4 {
		return nil, refuse(TooLarge, "page %d would be %d by %d pixels", page+1, w, h)
	}
	bitmap, err := e.pdfium.FPDFBitmap_Create(&requests.FPDFBitmap_Create{Width: w, Height: h})
	if err != nil {
		return nil, err
	}
	_, err = e.pdfium.FPDFBitmap_FillRect(&requests.FPDFBitmap_FillRect{
		Bitmap: bitmap.Bitmap, Width: w, Height: h, Color: 0xFFFFFFFF})
	if err != nil {
		return nil, err
	}
	if err := e.draw(d, ref, bitmap.Bitmap, w, h); err != nil {
		return nil, err
	}
	buffer, err := e.pdfium.FPDFBitmap_GetBuffer(&requests.FPDFBitmap_GetBuffer{Bitmap: bitmap.Bitmap})
	if err != nil {
		return nil, err
	}
	if len(buffer.Buffer) != 4*w*h { // PDFium answers a lack of memory with an empty bitmap
		return nil, refuse(Exhausted, "no memory for a page image of %d by %d pixels", w, h)
	}
	return encode(buffer.Buffer, w, h)
}

func (e *engine) draw(d references.FPDF_DOCUMENT, p references.FPDF_PAGE, b references.FPDF_BITMAP, w, h int) error {
	flags := enums.FPDF_RENDER_FLAG_ANNOT | enums.FPDF_RENDER_FLAG_REVERSE_BYTE_ORDER
	page := requests.Page{ByReference: &p}
	_, err := e.pdfium.FPDF_RenderPageBitmap(&requests.FPDF_RenderPageBitmap{
		Bitmap: b, Page: page, SizeX: w, SizeY: h, Flags: flags})
	if err != nil {
		return err
	}
	form, err := e.pdfium.FPDFDOC_InitFormFillEnvironment(&requests.FPDFDOC_InitFormFillEnvironment{
		Document: d, FormFillInfo: deafForm()})
	if err != nil {
		return err
	}
	_, err = e.pdfium.FPDF_FFLDraw(&requests.FPDF_FFLDraw{
		FormHandle: form.FormHandle, Bitmap: b, Page: page, SizeX: w, SizeY: h, Flags: flags})
	return err
}

// deafForm answers PDFium's form callbacks with nothing: fields are drawn, never run.
func deafForm() structs.FPDF_FORMFILLINFO {
	return structs.FPDF_FORMFILLINFO{
		FFI_Invalidate:         func(references.FPDF_PAGE, float64, float64, float64, float64) {},
		FFI_SetCursor:          func(enums.FXCT) {},
		FFI_SetTimer:           func(int, func(int)) int { return 0 },
		FFI_KillTimer:          func(int) {},
		FFI_GetLocalTime:       func() structs.FPDF_SYSTEMTIME { return structs.FPDF_SYSTEMTIME{} },
		FFI_GetPage:            func(references.FPDF_DOCUMENT, int) *references.FPDF_PAGE { return nil },
		FFI_GetCurrentPage:     func(references.FPDF_DOCUMENT) *references.FPDF_PAGE { return nil },
		FFI_GetRotation:        func(references.FPDF_PAGE) enums.FPDF_PAGE_ROTATION { return 0 },
		FFI_ExecuteNamedAction: func(string) {},
	}
}

// page opens one page and returns its displayed size.
func (e *engine) page(d references.FPDF_DOCUMENT, index int) (references.FPDF_PAGE, Page, error) {
	size, err := e.pdfium.FPDF_GetPageSizeByIndex(&requests.FPDF_GetPageSizeByIndex{Document: d, Index: index})
	if err != nil {
		return "", Page{}, refuse(Broken, "page %d cannot be read", index+1)
	}
	p, err := e.pdfium.FPDF_LoadPage(&requests.FPDF_LoadPage{Document: d, Index: index})
	if err != nil {
		return "", Page{}, refuse(Broken, "page %d cannot be read", index+1)
	}
	return p.Page, Page{size.Width, size.Height}, nil
}

// encode writes RGBX rows as PNG; pages without colour become grey, a third of the size.
func encode(rgbx []byte, w, h int) ([]byte, error) {
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	grey := true
	for i := 0; i+3 < len(rgbx); i += 4 {
		rgbx[i+3] = 0xff
		if rgbx[i] != rgbx[i+1] || rgbx[i] != rgbx[i+2] {
			grey = false
		}
	}
	if !grey {
		err := encoder.Encode(&out, &image.RGBA{Pix: rgbx, Stride: 4 * w, Rect: image.Rect(0, 0, w, h)})
		return out.Bytes(), err
	}
	pix := make([]byte, w*h)
	for i := range pix {
		pix[i] = rgbx[4*i]
	}
	err := encoder.Encode(&out, &image.Gray{Pix: pix, Stride: w, Rect: image.Rect(0, 0, w, h)})
	return out.Bytes(), err
}

// compile fills cacheDir with PDFium's machine code.
func compile(cacheDir string) error {
	if err := os.MkdirAll(cacheDir, 0o700); err != nil {
		return err
	}
	_, err := newEngine(cacheDir)
	return err
}

// filled tells whether a compilation has ended in cacheDir: wazero writes into a folder
// named for its version, first under a name that ends in .tmp.
func filled(cacheDir string) bool {
	files, err := filepath.Glob(filepath.Join(cacheDir, "wazero-*", "*"))
	for _, f := range files {
		if err == nil && filepath.Ext(f) != ".tmp" {
			return true
		}
	}
	return false
}
