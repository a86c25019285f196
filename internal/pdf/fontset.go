package pdf

import (
	"bytes"
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/go-text/typesetting/font"
)

// The fonts are not in the repository: third_party/fetch.sh puts them, checked against
// a committed list of digests, into the folder; README.md alone is committed.
//
//go:embed fonts/embedded
var embedded embed.FS

// builtIn are the fonts every server has, in order of preference.
var builtIn = []struct {
	file          string
	regular, bold bool // in which lists it stands
}{
	{"NotoSans_400Regular.ttf", true, false},
	{"NotoSans_700Bold.ttf", false, true},
	{"NotoSansJP_400Regular.ttf", true, true},
}

// maxFontFile bounds an operator's font file, in bytes.
const maxFontFile = 64 << 20

// typeface is one font; the outlines are read through go-text, so TrueType, CFF and
// variable fonts (at their default) are all alike.
type typeface struct {
	index int // in fontSet.all
	font  *font.Font
	name  string
}

// fontSet is the fonts of a Jail, in order of preference.
type fontSet struct {
	all           []*typeface
	regular, bold []*typeface
	setters       sync.Pool
}

// openFonts loads the built-in fonts and those of dirs.
func openFonts(dirs []string) (*fontSet, error) {
	s := &fontSet{}
	for _, b := range builtIn {
		data, err := embedded.ReadFile("fonts/embedded/" + b.file)
		if err != nil {
			return nil, fmt.Errorf("pdf: font %s is missing: run third_party/fetch.sh before building: %w", b.file, err)
		}
		if err := s.add(data, b.regular, b.bold); err != nil {
			return nil, fmt.Errorf("pdf: font %s: %w", b.file, err)
		}
	}
	for _, dir := range dirs {
		if err := s.addDir(dir); err != nil {
			return nil, err
		}
	}
	s.setters.New = func() any { return s.newSetter() }
	return s, nil
}

func (s *fontSet) addDir(dir string) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("pdf: fonts: %w", err)
	}
	for _, f := range files {
		ext := strings.ToLower(filepath.Ext(f.Name()))
		if !slices.Contains([]string{".ttf", ".otf", ".ttc"}, ext) {
			continue
		}
		path := filepath.Join(dir, f.Name())
		info, err := os.Stat(path)
		if err != nil {
			return fmt.Errorf("pdf: fonts: %w", err)
		}
		if info.Size() > maxFontFile {
			return fmt.Errorf("pdf: font %s is larger than %d bytes", path, maxFontFile)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("pdf: fonts: %w", err)
		}
		bold := strings.Contains(strings.ToLower(f.Name()), "bold")
		if err := s.add(data, true, true); err != nil {
			return fmt.Errorf("pdf: font %s: %w", path, err)
		}
		if bold { // prefer it for bold text, shun it for the rest
			s.promote()
		}
	}
	return nil
}

// promote moves the font added last before the operator's other fonts for bold text.
func (s *fontSet) promote() {
	last := s.bold[len(s.bold)-1]
	s.bold = slices.Insert(s.bold[:len(s.bold)-1], min(len(builtIn)-1, len(s.bold)-1), last)
}

func (s *fontSet) add(data []byte, regular, bold bool) error {
	faces, err := font.ParseTTC(bytes.NewReader(data))
	if err != nil {
		return err
	}
	if len(faces) == 0 {
		return fmt.Errorf("no font in the file")
	}
	f := faces[0].Font
	t := &typeface{index: len(s.all), font: f, name: fontName(f)}
	s.all = append(s.all, t)
	if regular {
		s.regular = append(s.regular, t)
	}
	if bold {
		s.bold = append(s.bold, t)
	}
	return nil
}

// fontName is the family in letters and digits, as a PDF wants it (ISO 32000-1 §9.6.4).
func fontName(f *font.Font) string {
	d := f.Describe()
	n := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' {
			return r
		}
		return -1
	}, d.Family)
	if n == "" {
		n = "Font"
	}
	if d.Aspect.Weight >= font.WeightBold {
		n += "-Bold"
	}
	return n
}

func (s *fontSet) list(bold bool) []*typeface {
	if bold {
		return s.bold
	}
	return s.regular
}
