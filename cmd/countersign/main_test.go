package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/alecthomas/kong"

	"countersign.dev/internal/pdf"
	"countersign.dev/internal/server"
)

func TestMain(m *testing.M) {
	pdf.Child()
	if os.Getenv(commandEnv) != "" {
		os.Exit(run(context.Background(), os.Args[1:]))
	}
	os.Exit(m.Run())
}

// The demo signs by itself, and what it leaves is judged by the verifier's exit codes.
func TestDemoAndVerify(t *testing.T) {
	dir := t.TempDir()
	data, signed := filepath.Join(dir, "data"), filepath.Join(dir, "signed.pdf")
	credentials := filepath.Join(dir, "credentials.json")
	status := run(t.Context(), []string{"demo", "--auto", "--listen", "127.0.0.1:0", "--data", data, "--out", signed, "--credentials", credentials})
	if status != 0 {
		t.Fatalf("the demo exits with %d", status)
	}
	if info, err := os.Stat(credentials); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the credentials: %v %v", info, err)
	}
	hasUnregisteredVendor(t, data, credentials)
	file, err := os.ReadFile(signed)
	if err != nil {
		t.Fatal(err)
	}
	put := func(name string, content []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	changed := bytes.Clone(file)
	changed[len(changed)/4] ^= 1
	right, wrong := put("right.pem", trust(t, data)), put("wrong.pem", trust(t, filepath.Join(dir, "another")))
	for _, c := range []struct {
		args []string
		want int
	}{
		{[]string{signed}, 0},
		{[]string{signed, "--json"}, 0},
		{[]string{signed, "--trust", right}, 0},
		{[]string{signed, "--trust", wrong}, 1},
		{[]string{put("changed.pdf", changed)}, 1},
		{[]string{put("cut.pdf", file[:len(file)-100])}, 1},
		{[]string{put("text.pdf", []byte("hello"))}, 2},
		{[]string{signed, "--trust", credentials}, 2},
		{[]string{filepath.Join(dir, "missing.pdf")}, 2},
	} {
		if got := run(t.Context(), append([]string{"verify"}, c.args...)); got != c.want {
			t.Errorf("verify %v exits with %d, want %d", c.args, got, c.want)
		}
	}
}

// hasUnregisteredVendor looks for the technical account in the demo's credentials: it is there, and no partner is.
func hasUnregisteredVendor(t *testing.T, data, credentials string) {
	t.Helper()
	text, err := os.ReadFile(credentials)
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		AcrobatSign struct {
			ClientID     string   `json:"client_id"`
			ClientSecret string   `json:"client_secret"`
			Domains      []string `json:"domains"`
		} `json:"acrobat_sign"`
	}
	err = json.Unmarshal(text, &file)
	a := file.AcrobatSign
	if err != nil || a.ClientID == "" || a.ClientSecret == "" || !slices.Equal(a.Domains, []string{"partnerdomain.com", "partnerdomain.us"}) {
		t.Errorf("the credentials of the technical account: %+v %v", a, err)
	}
	o := &operator{t: t, database: []string{"--data", data}}
	if rows := o.lists("partner", "list"); len(rows) != 0 {
		t.Errorf("the demo has the partners %v", rows)
	}
	rows := o.lists("domain", "list", "--organisation", "Example Software")
	if len(rows) != 2 || rows[0]["status"] != "proven" || rows[1]["how"] != "operator" {
		t.Errorf("the vendor's domains are %v", rows)
	}
}

// trust is what `countersign trust --data DIR` prints.
func trust(t *testing.T, data string) []byte {
	t.Helper()
	rooms, err := server.OpenRooms(t.Context(), server.Config{Listen: "127.0.0.1:8080", Data: data, MaxDocument: 16,
		MailFrom: "sign@example.com", Product: "Countersign"}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	defer rooms.Close()
	pem, err := rooms.TrustPEM(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return pem
}

// What cannot run says so and exits with another status than 0; nothing is served.
func TestBadConfigurations(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "config.json")
	if err := os.WriteFile(file, []byte(`{"smtp-pasword":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	broken := filepath.Join(dir, "broken.json")
	if err := os.WriteFile(broken, []byte(`{`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"serve", "--data", dir},                                                       // no relay
		{"serve", "--data", dir, "--mailbox", "--listen", ":0"},                        // everybody's mail to everybody
		{"serve", "--data", dir, "--smtp", "127.0.0.1:25", "--listen", "0.0.0.0:8080"}, // links to nowhere
		{"serve", "--data", dir, "--mailbox", "--max-document", "0"},
		{"--config", file, "serve", "--data", dir, "--mailbox"},
		{"--config", broken, "serve", "--data", dir, "--mailbox"},
		{"serve", "--no-such-flag"},
		{"demo", "--out", filepath.Join(dir, "x.pdf")},
		{"client", "create", "--data", dir, "--account", "none", "--right", "sign"},
		{"client", "create", "--data", dir, "--account", "none", "--right", "everything"},
		{"account", "set", "--data", dir, "--account", "none"},
	} {
		if status := run(t.Context(), args); status == 0 {
			t.Errorf("%v exits with 0", args)
		}
	}
}

// A flag wins over the environment, the environment over the file.
func TestOrderOfConfiguration(t *testing.T) {
	s, err := fromFile(bytes.NewReader([]byte(`{"listen":"127.0.0.1:1"}`)))
	if err != nil {
		t.Fatal(err)
	}
	flag := flagNamed(t, "listen")
	if v, err := s.Resolve(nil, nil, flag); err != nil || v != "127.0.0.1:1" {
		t.Errorf("the file says %v, %v", v, err)
	}
	t.Setenv("COUNTERSIGN_LISTEN", "127.0.0.1:2")
	if v, err := s.Resolve(nil, nil, flag); err != nil || v != nil {
		t.Errorf("beside the environment the file says %v, %v", v, err)
	}
}

func flagNamed(t *testing.T, name string) *kong.Flag {
	t.Helper()
	parser, err := kong.New(&commands{})
	if err != nil {
		t.Fatal(err)
	}
	for _, command := range parser.Model.Children { // the demo has a flag of this name, too, and no environment
		for _, f := range command.Flags {
			if command.Name == "serve" && f.Name == name {
				return f
			}
		}
	}
	t.Fatalf("no flag %s", name)
	return nil
}
