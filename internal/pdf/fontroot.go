package pdf

import (
	"io/fs"
	"strings"
)

// fontRoot is the whole file system PDFium sees: our built-in fonts in the folder where
// it looks for a system's, and nothing of the host. Documents that embed no font for
// their Japanese text, common where every reader has one, would otherwise be shown
// blank, and a signer would sign what they cannot see.
type fontRoot struct{}

// fontFolder is one of those PDFium searches.
const fontFolder = "usr/share/fonts"

// Open implements fs.FS.
func (fontRoot) Open(path string) (fs.File, error) {
	if path == "." || strings.HasPrefix(fontFolder, path+"/") {
		return embedded.Open("fonts") // the folders above, which are looked at but not read
	}
	if rest, ok := strings.CutPrefix(path, fontFolder); ok {
		return embedded.Open("fonts/embedded" + rest)
	}
	return nil, &fs.PathError{Op: "open", Path: path, Err: fs.ErrNotExist}
}
