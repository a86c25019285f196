package pdf

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A waiting child must already be confined: it has read nothing yet.
func TestChildIsConfined(t *testing.T) {
	j := openJail(t, Config{Idle: 1})
	if err := j.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	for _, k := range []kind{unaided, viewing} {
		t.Run(string(k), func(t *testing.T) { confined(t, j, k) })
	}
}

func confined(t *testing.T, j *Jail, k kind) {
	m := started(t, j, k)
	defer m.kill()
	proc := fmt.Sprintf("/proc/%d/", m.cmd.Process.Pid)
	limits, err := os.ReadFile(proc + "limits")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"Max data size 536870912 536870912", "Max cpu time 20 20", "Max file size 0 0", "Max core file size 0 0", "Max open files 24 24"} {
		if !strings.Contains(strings.Join(strings.Fields(string(limits)), " "), want) {
			t.Errorf("limits lack %q:\n%s", want, limits)
		}
	}
	environ, err := os.ReadFile(proc + "environ")
	if err != nil || strings.Trim(string(environ), "\x00") != childEnv+"=1" {
		t.Errorf("environment %q %v", environ, err)
	}
	status, err := os.ReadFile(proc + "status")
	if err != nil || !strings.Contains(string(status), "NoNewPrivs:\t1") && !withCgo {
		t.Errorf("may gain privileges: %v", err)
	}
	own, err1 := os.Readlink("/proc/self/ns/net")
	childs, err2 := os.Readlink(proc + "ns/net")
	if err1 != nil || err2 != nil || (own == childs) != j.alone.Load() {
		t.Errorf("network %s and %s, %v %v, namespaces impossible: %v", own, childs, err1, err2, j.alone.Load())
	}
}

// lockedEnv makes TestMain confine the process and tell what it still can do.
const lockedEnv = "COUNTERSIGN_PDF_TEST_LOCKED"

func locked() {
	if os.Getenv(lockedEnv) == "" {
		return
	}
	try := func(what string, f func() error) {
		if err := f(); err == nil {
			fmt.Println("can", what)
		}
	}
	if err := confine(1<<30, 60); err != nil {
		fmt.Println(err)
	}
	if err := lockFiles(); err != nil {
		fmt.Println(err)
	}
	try("read a file", func() error { _, err := os.ReadFile("/etc/passwd"); return err })
	try("list a folder", func() error { _, err := os.ReadDir("/"); return err })
	try("write a file", func() error { return os.WriteFile(os.TempDir()+"/countersign-locked", []byte("x"), 0o600) })
	try("start a program", func() error { return exec.Command("/bin/true").Run() })
	fmt.Println("done")
	os.Exit(0)
}

func TestLockedProcessHasNoFiles(t *testing.T) {
	if withCgo {
		t.Skip("needs a build without cgo, as the server is")
	}
	if _, _, errno := syscall.Syscall(unix.SYS_LANDLOCK_CREATE_RULESET, 0, 0, 1); errno != 0 {
		t.Skipf("this kernel has no Landlock: %v", errno)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), lockedEnv+"=1")
	out, err := cmd.CombinedOutput()
	if err != nil || strings.TrimSpace(string(out)) != "done" {
		t.Errorf("%v: %s", err, out)
	}
}
