package api

import (
	"errors"
	"io"
	"iter"
	"strings"

	"countersign.dev/internal/errs"
)

// maxParts bounds a multipart body.
const maxParts = 200

// Part is one part of a multipart body, read whole.
type Part struct {
	Name string // of the form field
	// File is the last element of the file name sent, "" when the part is no file.
	File string
	Data []byte
}

// Parts reads a multipart/form-data body part by part. limit says how many
// bytes a part of the given name may have; 0 refuses the part.
//
// Refusals: Unsupported "media.unsupported", Invalid "multipart.malformed",
// "multipart.too_many" and "multipart.part_unknown" (Field is the part),
// TooLarge "part.too_large" (Field is the part, Params file) and "body.too_large".
func (r *Request) Parts(limit func(name string) int64) iter.Seq2[Part, error] {
	return func(yield func(Part, error) bool) {
		if r.Media() != "multipart/form-data" {
			yield(Part{}, unsupported("multipart/form-data"))
			return
		}
		reader, err := r.HTTP.MultipartReader()
		if err != nil {
			yield(Part{}, badMultipart(err))
			return
		}
		for n := 0; ; n++ {
			part, err := reader.NextPart()
			if errors.Is(err, io.EOF) && n > 0 {
				return
			}
			if err != nil {
				yield(Part{}, badMultipart(err))
				return
			}
			if n == maxParts {
				yield(Part{}, errs.New(errs.Invalid, "multipart.too_many", "The body has more than %d parts.", maxParts))
				return
			}
			p, err := readPart(part.FormName(), part.FileName(), part, limit(part.FormName()))
			if !yield(p, err) || err != nil {
				return
			}
		}
	}
}

func readPart(name, file string, data io.Reader, limit int64) (Part, error) {
	p := Part{Name: name, File: file[strings.LastIndexAny(file, `/\`)+1:]}
	if err := plainText("part", name+file); err != nil {
		return p, err
	}
	if limit == 0 {
		return p, errs.New(errs.Invalid, "multipart.part_unknown", "A part of this name is not taken.").On(name)
	}
	var err error
	if p.Data, err = io.ReadAll(io.LimitReader(data, limit+1)); err != nil {
		return p, badMultipart(err)
	}
	if int64(len(p.Data)) > limit {
		return p, errs.New(errs.TooLarge, "part.too_large", "A part is larger than %s.", Size(limit)).On(name).With("file", p.File)
	}
	return p, nil
}

// badMultipart keeps the refusal of a body that is too large.
func badMultipart(err error) error {
	if err := bodyError(err); errs.Is(err, "body.too_large") {
		return err
	}
	return errs.New(errs.Invalid, "multipart.malformed", "The multipart body cannot be read.").Because(err)
}
