package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"countersign.dev/internal/db/dbtest"
)

var shellBlock = regexp.MustCompile("(?s)```sh\n(.*?)```")

// The README's walk through the onboarding of a customer runs as it is printed, beside a running server.
func TestReadmeWalk(t *testing.T) {
	if _, err := exec.LookPath("curl"); err != nil {
		dbtest.Missing(t, "no curl: the README's commands are not run")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	_, walk, found := strings.Cut(string(readme), "## Embed: onboard a customer by API")
	walk, _, _ = strings.Cut(walk, "\n## ")
	blocks := shellBlock.FindAllStringSubmatch(walk, -1)
	if !found || len(blocks) < 5 || !strings.HasPrefix(blocks[0][1], "make demo") {
		t.Fatalf("the README has %d blocks", len(blocks))
	}
	o := newOperator(t, "")
	made := o.tells("client", "create", "--technical", "--organisation", vendorName)
	for _, domain := range []string{"partnerdomain.com", "partnerdomain.us"} {
		o.does("domain", "vouch", "--organisation", vendorName, domain)
	}
	text, err := json.MarshalIndent(map[string]any{"acrobat_sign": made}, "", " ") // as the demo writes it
	if err != nil {
		t.Fatal(err)
	}
	credentials := filepath.Join(o.scratch, "demo.json")
	if err := os.WriteFile(credentials, text, 0o600); err != nil {
		t.Fatal(err)
	}
	script := strings.Builder{}
	for _, b := range blocks[1:] {
		script.WriteString(b[1])
	}
	here := strings.NewReplacer("http://127.0.0.1:8080", o.url, "/tmp/countersign-demo.json", credentials,
		"--data /tmp/countersign-demo", strings.Join(o.database, " "), "bin/countersign", commandEnv+"=1 "+os.Args[0])
	out, err := exec.Command("sh", "-euc", here.Replace(script.String())).CombinedOutput()
	if err != nil || !strings.Contains(string(out), `"apiAccessPoint":"`+o.url+`/"`) || !strings.Contains(string(out), "status  ACTIVE") ||
		!strings.Contains(string(out), `"email":"bob.smith_customer@partnerdomain.com"`) {
		t.Errorf("the walk ends with %v:\n%s", err, out)
	}
}
