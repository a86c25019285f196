package pdf
import ("testing";"context";"syscall";"time";"os";"fmt";"strings")
func fx3body() string {
	var b strings.Builder
	for y := 380; y > 20; y -= 9 {
		fmt.Fprintf(&b, "BT /H 7 Tf 20 %d Td (The quick brown fox jumps over the lazy dog and signs the agreement at once.) Tj ET\n", y)
	}
	return b.String()
}
func TestFX3Cost(t *testing.T){
 docs:=map[string][]byte{}
 m:=document(make([]string,20)...); docs["small"]=m.table()
 m=document(make([]string,20)...); m.objects[3]=body(fx3body()); docs["lines"]=m.table()
 for _,f:=range strings.Fields(os.Getenv("FX3DOCS")) { b,err:=os.ReadFile(f); if err!=nil{t.Fatal(err)}; docs[f]=b }
 if err:=jail.Ready(context.Background());err!=nil{t.Fatal(err)}
 for n,doc:=range docs {
  if _,err:=jail.Inspect(context.Background(),doc);err!=nil{t.Log(n,err);continue}
  time.Sleep(300*time.Millisecond)
  var a,z syscall.Rusage
  syscall.Getrusage(syscall.RUSAGE_CHILDREN,&a)
  start:=time.Now()
  const k=40
  for range k { if _,err:=jail.Inspect(context.Background(),doc);err!=nil{t.Fatal(err)} }
  el:=time.Since(start)
  time.Sleep(300*time.Millisecond)
  syscall.Getrusage(syscall.RUSAGE_CHILDREN,&z)
  us:=func(r syscall.Rusage) int64 { return r.Utime.Sec*1e6+r.Utime.Usec+r.Stime.Sec*1e6+r.Stime.Usec }
  t.Logf("%-40s wall %v cpu %.1f ms", n, el/k, float64(us(z)-us(a))/k/1000)
 }
}
