package pdf

import "time"

// Limits bounds what one document may cost. A zero field takes its default.
type Limits struct {
	Bytes    int64         // size of the file in bytes; default 16 MiB
	Pages    int           // number of pages; default 2000
	Objects  int           // number of indirect objects; default 500,000
	Stream   int64         // decoded size of one stream in bytes, and a quarter of what all may have; default 128 MiB
	PageSize float64       // longer side of a page in points; default 14,400 (200 inches, ISO 32000-1 Annex C)
	Memory   int64         // data segment of one child in bytes (Linux: RLIMIT_DATA); default 512 MiB
	CPU      time.Duration // processor time of one child, whole seconds (Linux: RLIMIT_CPU); default 20 s
	Deadline time.Duration // wall-clock time of one request; default 30 s
}

func (l Limits) withDefaults() Limits {
	set := func(v *int64, d int64) {
		if *v <= 0 {
			*v = d
		}
	}
	set(&l.Bytes, 16<<20)
	set(&l.Stream, 128<<20)
	set(&l.Memory, 512<<20)
	if l.Pages <= 0 {
		l.Pages = 2000
	}
	if l.Objects <= 0 {
		l.Objects = 500_000
	}
	if l.PageSize <= 0 {
		l.PageSize = 14_400
	}
	if l.CPU <= 0 {
		l.CPU = 20 * time.Second
	}
	if l.Deadline <= 0 {
		l.Deadline = 30 * time.Second
	}
	return l
}

// maxPixels bounds a page image and an image inside a document, in pixels.
const maxPixels = 120 << 20
