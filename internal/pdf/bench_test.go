package pdf

import (
	"context"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// text is a page full of lines.
func fullPage() string {
	var b strings.Builder
	for y := 380; y > 20; y -= 9 {
		fmt.Fprintf(&b, "BT /H 7 Tf 20 %d Td (The quick brown fox jumps over the lazy dog and signs the agreement at once.) Tj ET\n", y)
	}
	return b.String()
}

func BenchmarkCompose(b *testing.B) {
	for _, n := range []int{1, 20, 200} {
		m := document(make([]string, n)...)
		m.objects[3] = body(fullPage())
		doc := m.table()
		job := Job{Doc: doc, Container: container(), Append: []NewPage{{Width: 595, Height: 842, Items: stamp(20, 20, names[1])}}}
		for i := range n {
			job.Overlays = append(job.Overlays, Overlay{Page: i, Items: stamp(20, 200, names[i%len(names)])})
		}
		b.Run(fmt.Sprintf("%dpages", n), func(b *testing.B) {
			defer processorTime(b)()
			for b.Loop() {
				composed(b, job)
			}
		})
	}
}

// BenchmarkComposeInside leaves out the child.
func BenchmarkComposeInside(b *testing.B) {
	doc := document("").table()
	job := Job{Doc: doc, Container: container(), Overlays: []Overlay{{Items: stamp(20, 200, names[2])}}}
	for b.Loop() {
		p, err := jail.draw(job)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := compose(doc, p, jail.config.Limits); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkRender(b *testing.B) {
	m := document("/MediaBox[0 0 595 842]")
	m.objects[3] = body(fullPage())
	doc := m.table()
	for _, dpi := range []int{100, 150} {
		b.Run(fmt.Sprintf("%ddpi", dpi), func(b *testing.B) {
			defer processorTime(b)()
			for b.Loop() {
				if _, err := jail.Render(context.Background(), doc, 0, dpi); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkInspect(b *testing.B) {
	doc := document(make([]string, 20)...).table()
	defer processorTime(b)()
	for b.Loop() {
		if _, err := jail.Inspect(context.Background(), doc); err != nil {
			b.Fatal(err)
		}
	}
}

// processorTime reports the processor time of this process and of the children it has
// waited for, in milliseconds an operation: on a busy machine the clock says little.
func processorTime(b *testing.B) func() {
	before := spent()
	return func() { b.ReportMetric(float64((spent()-before).Microseconds())/1000/float64(b.N), "cpu-ms/op") }
}

func spent() (sum time.Duration) {
	for _, who := range []int{syscall.RUSAGE_SELF, syscall.RUSAGE_CHILDREN} {
		var u syscall.Rusage
		if err := syscall.Getrusage(who, &u); err == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}

// BenchmarkChild is the start of a child until it waits for its document.
func BenchmarkChild(b *testing.B) {
	if err := jail.Ready(context.Background()); err != nil {
		b.Fatal(err)
	}
	for _, k := range []kind{unaided, viewing} {
		b.Run(string(k), func(b *testing.B) {
			defer processorTime(b)()
			for b.Loop() {
				started(b, jail, k).kill()
			}
		})
	}
}

// started is a child that waits for its document.
func started(t testing.TB, j *Jail, k kind) *inmate {
	t.Helper()
	m, err := j.start(k)
	if err != nil {
		t.Fatal(err)
	}
	var hello [1]byte
	if _, err := m.out.Read(hello[:]); err != nil || hello[0] != ready {
		m.kill()
		t.Fatalf("%s: %q %v %s", k, hello, err, m.errors.firstLine())
	}
	return m
}
