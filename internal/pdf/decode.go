package pdf

import (
	"bytes"
	"compress/zlib"
	"encoding/ascii85"
	"errors"
	"fmt"
	"io"

	"golang.org/x/image/tiff/lzw"
)

// maxFilters bounds a filter chain; real ones have one or two stages.
const maxFilters = 4

// errDamaged marks a stream of which nothing can be decoded.
var errDamaged = errors.New("damaged stream")

// objectStream is a decoded object stream (ISO 32000-1 §7.5.7).
type objectStream struct {
	body    []byte
	numbers []int
	offsets []int
}

// filters lists the filters of a stream and their parameters.
func (f *file) filters(d dict) (names []name, parms []dict, err error) {
	o, err := f.resolve(d["Filter"])
	if err != nil {
		return nil, nil, err
	}
	p, err := f.resolve(d["DecodeParms"])
	if err != nil {
		return nil, nil, err
	}
	if n, ok := o.(name); ok {
		o, p = array{n}, array{p}
	}
	list, _ := o.(array)
	plist, _ := p.(array)
	if len(list) > maxFilters {
		return nil, nil, refuse(TooLarge, "a stream with %d filters", len(list))
	}
	for i, e := range list {
		e, err := f.resolve(e)
		if err != nil {
			return nil, nil, err
		}
		n, ok := e.(name)
		if !ok {
			return nil, nil, errors.New("bad filter")
		}
		var parm dict
		if i < len(plist) {
			if parm, err = f.dict(plist[i]); err != nil {
				return nil, nil, err
			}
		}
		names, parms = append(names, n), append(parms, parm)
	}
	return names, parms, nil
}

// decode undoes the filters of a stream. Those for images only (DCT, JPX, CCITT, JBIG2)
// and Crypt are an error.
func (f *file) decode(s *stream) ([]byte, error) {
	names, parms, err := f.filters(s.dict)
	if err != nil {
		return nil, err
	}
	body := s.raw
	for i, n := range names {
		if body, err = f.stage(n, parms[i], body, true); err != nil {
			return nil, err
		}
	}
	return body, nil
}

// stage undoes one filter (ISO 32000-1 §7.4), within the limits. With keep false it only
// finds out whether the limits are kept.
func (f *file) stage(filter name, parms dict, body []byte, keep bool) (out []byte, err error) {
	switch filter {
	case "FlateDecode", "Fl":
		if out, err = f.inflate(body, keep); err != nil {
			return nil, err
		}
		return f.unpredict(out, parms)
	case "LZWDecode", "LZW":
		if early, ok := parms["EarlyChange"].(int64); ok && early != 1 {
			return nil, errors.New("LZW without early change")
		}
		if out, err = f.drain(lzw.NewReader(bytes.NewReader(body), lzw.MSB, 8), keep); err != nil {
			return nil, err
		}
		return f.unpredict(out, parms)
	case "ASCIIHexDecode", "AHx":
		p := &parser{data: append(append([]byte("<"), body...), '>')}
		o, err := p.hex()
		if err != nil {
			return nil, err
		}
		return o.(text), nil
	case "ASCII85Decode", "A85":
		body, _, _ = bytes.Cut(bytes.TrimPrefix(bytes.TrimSpace(body), []byte("<~")), []byte("~"))
		return f.drain(ascii85.NewDecoder(bytes.NewReader(body)), keep)
	case "RunLengthDecode", "RL":
		return f.drain(&runLength{data: body}, keep)
	}
	return nil, fmt.Errorf("filter %s is not supported here", filter)
}

// runLength decodes §7.4.5.
type runLength struct {
	data, pending []byte
}

// Read implements io.Reader.
func (r *runLength) Read(p []byte) (int, error) {
	if len(r.pending) == 0 {
		if len(r.data) < 2 || r.data[0] == 128 {
			return 0, io.EOF
		}
		if n := int(r.data[0]); n < 128 {
			end := min(len(r.data), n+2)
			r.pending, r.data = r.data[1:end], r.data[end:]
		} else {
			r.pending, r.data = bytes.Repeat(r.data[1:2], 257-n), r.data[2:]
		}
	}
	n := copy(p, r.pending)
	r.pending = r.pending[n:]
	return n, nil
}

func (f *file) inflate(body []byte, keep bool) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	defer r.Close()
	return f.drain(r, keep)
}

// drain reads a decoder to its end, within the limits on one stream and on all of them.
// Damaged data gives what came before the damage, as readers do.
func (f *file) drain(r io.Reader, keep bool) ([]byte, error) {
	limit := min(f.limits.Stream, f.limits.Stream*4-f.inflated)
	var out bytes.Buffer
	var w io.Writer = io.Discard
	if keep {
		w = &out
	}
	n, err := io.Copy(w, io.LimitReader(r, limit+1))
	f.inflated += n
	if n > limit {
		return nil, refuse(TooLarge, "a stream unpacks to more than %d bytes", limit)
	}
	if err != nil && n == 0 {
		return nil, fmt.Errorf("%w: %w", errDamaged, err)
	}
	return out.Bytes(), nil
}

// unpredict undoes a PNG predictor (ISO 32000-1 §7.4.4.4).
func (f *file) unpredict(body []byte, parms dict) ([]byte, error) {
	get := func(key name, missing int64) int64 {
		o, err := f.resolve(parms[key])
		if v, ok := o.(int64); ok && err == nil {
			return v
		}
		return missing
	}
	predictor := get("Predictor", 1)
	if predictor == 1 {
		return body, nil
	}
	colors, bits, columns := get("Colors", 1), get("BitsPerComponent", 8), get("Columns", 1)
	if predictor < 10 || colors < 1 || colors > 32 || bits < 1 || bits > 16 || columns < 1 || columns > 1<<20 {
		return nil, errors.New("unsupported predictor")
	}
	pixel := int(max(1, colors*bits/8))
	width := int((colors*bits*columns + 7) / 8)
	out := make([]byte, 0, len(body))
	prior := make([]byte, width)
	for len(body) > 0 {
		row := make([]byte, width)
		copy(row, body[1:])
		if err := unfilter(body[0], row, prior, pixel); err != nil {
			return nil, err
		}
		out = append(out, row...)
		prior = row
		body = body[min(len(body), width+1):]
	}
	return out, nil
}

func unfilter(kind byte, row, prior []byte, pixel int) error {
	for i := range row {
		var left, corner byte
		if i >= pixel {
			left, corner = row[i-pixel], prior[i-pixel]
		}
		switch kind {
		case 0:
		case 1:
			row[i] += left
		case 2:
			row[i] += prior[i]
		case 3:
			row[i] += byte((int(left) + int(prior[i])) / 2)
		case 4:
			row[i] += paeth(left, prior[i], corner)
		default:
			return errors.New("bad predictor row")
		}
	}
	return nil
}

func paeth(a, b, c byte) byte {
	p := int(a) + int(b) - int(c)
	pa, pb, pc := abs(p-int(a)), abs(p-int(b)), abs(p-int(c))
	switch {
	case pa <= pb && pa <= pc:
		return a
	case pb <= pc:
		return b
	}
	return c
}

func abs(v int) int {
	if v < 0 {
		return -v
	}
	return v
}

func (f *file) loadCompressed(num int, e entry) (object, error) {
	os, err := f.objectStream(e.container)
	if err != nil {
		return nil, err
	}
	if e.index >= len(os.numbers) || os.numbers[e.index] != num {
		return nil, errors.New("not where the cross-reference says in its object stream")
	}
	p := &parser{data: os.body, pos: os.offsets[e.index]}
	p.duplicate = func(key name) {
		if len(f.oddities) < 20 {
			f.oddities = append(f.oddities, fmt.Sprintf("object %d has the key %q twice", num, key))
		}
	}
	return p.object()
}

func (f *file) objectStream(num int) (*objectStream, error) {
	if os, ok := f.streams[num]; ok {
		return os, nil
	}
	// A container inside a container is forbidden and the usual loop (§7.5.7).
	if f.table[num].compressed {
		return nil, fmt.Errorf("object stream %d is itself compressed", num)
	}
	o, err := f.load(ref{num, f.table[num].gen})
	if err != nil {
		return nil, err
	}
	st, ok := o.(*stream)
	if !ok || st.dict.name("Type") != "ObjStm" {
		return nil, fmt.Errorf("object %d is not an object stream", num)
	}
	body, err := f.decode(st)
	if err != nil {
		return nil, err
	}
	os := &objectStream{body: body}
	n, _ := st.dict["N"].(int64)
	first, _ := st.dict["First"].(int64)
	if n < 0 || n > int64(f.limits.Objects) || first < 0 || first > int64(len(body)) {
		return nil, errors.New("bad object stream")
	}
	p := &parser{data: body[:first]}
	for range n {
		number, err := p.integer()
		if err != nil {
			return nil, err
		}
		off, err := p.integer()
		if err != nil || off > len(body)-int(first) {
			return nil, errors.Join(err, errors.New("bad offset in object stream"))
		}
		os.numbers, os.offsets = append(os.numbers, number), append(os.offsets, int(first)+off)
	}
	f.streams[num] = os
	return os, nil
}
