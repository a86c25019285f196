// Command notices prints the licences of everything that is built into
// countersign: the Go modules it links and the files it embeds.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"sort"
)

type module struct {
	Path, Version, Dir string
}

func main() {
	if err := notices(os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "notices:", err)
		os.Exit(1)
	}
}

func notices(out io.Writer) error {
	modules, err := linked()
	if err != nil {
		return err
	}
	fmt.Fprintln(out, "Countersign contains the following works of others, under the licences given with each.")
	for _, m := range modules {
		if err := section(out, m.Path+" "+m.Version, m.Dir); err != nil {
			return err
		}
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return err
	}
	if err := section(out, "The Go standard library", string(goroot[:len(goroot)-1])); err != nil {
		return err
	}
	return embedded(out)
}

// linked are the modules whose packages the binary links.
func linked() ([]module, error) {
	list := exec.Command("go", "list", "-deps", "-json=Module", "./cmd/countersign")
	list.Stderr = os.Stderr
	text, err := list.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := list.Start(); err != nil {
		return nil, err
	}
	found := map[string]module{}
	decoder := json.NewDecoder(text)
	for {
		var p struct{ Module *module }
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return nil, err
		}
		if p.Module != nil && p.Module.Version != "" {
			found[p.Module.Path] = *p.Module
		}
	}
	var out []module
	for _, m := range found {
		out = append(out, m)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].Path < out[j].Path })
	return out, list.Wait()
}

var licenceName = regexp.MustCompile(`(?i)^(licen[cs]e|copying|notice|copyright)([.-].*)?$`)

func section(out io.Writer, title, dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "\n%s\n== %s\n", "================================================================", title)
	found := false
	for _, e := range entries {
		if e.IsDir() || !licenceName.MatchString(e.Name()) {
			continue
		}
		text, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "\n%s\n", text)
		found = true
	}
	if !found {
		return fmt.Errorf("%s carries no licence text", title)
	}
	return nil
}

// embedded prints the licences of the fonts and of Swagger UI, which lie beside them.
func embedded(out io.Writer) error {
	for _, folder := range []string{"internal/pdf/fonts/embedded", "internal/web/embedded"} {
		texts, err := filepath.Glob(folder + "/*.txt")
		if err != nil || len(texts) == 0 {
			return errors.Join(err, fmt.Errorf("%s holds no licence text", folder))
		}
		for _, path := range texts {
			text, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			fmt.Fprintf(out, "\n%s\n== %s\n\n%s\n", "================================================================", filepath.Base(path), text)
		}
	}
	return nil
}
