package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/metrics"
	"runtime/pprof"

	"countersign.dev/internal/server"
)

// serveOurs is the child that is the shipped server. Its log goes to /dev/null:
// wording and writing it is part of what a request costs.
func serveOurs(spec string) error {
	var c server.Config
	if err := json.Unmarshal([]byte(spec), &c); err != nil {
		return err
	}
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := server.Open(ctx, c, slog.New(slog.NewTextHandler(null, nil)))
	if err != nil {
		return err
	}
	main, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, s.Close())
	}
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, main) }()
	if err := announce(main, http.NewServeMux()); err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	return errors.Join(<-ended, s.Close())
}

// waitForEnd returns when the parent wants the child to end, or has ended itself.
func waitForEnd() error {
	_, err := io.Copy(io.Discard, os.Stdin)
	return err
}

// announce opens the private endpoint and writes both addresses.
func announce(main net.Listener, mux *http.ServeMux) error {
	control, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	mux.HandleFunc("GET /stats", answerStats)
	mux.HandleFunc("POST /profile", beginProfile)
	mux.HandleFunc("DELETE /profile", func(http.ResponseWriter, *http.Request) { pprof.StopCPUProfile() })
	go func() { _ = http.Serve(control, mux) }() // until the process ends
	text, err := json.Marshal(addresses{Main: main.Addr().String(), Control: control.Addr().String()})
	if err == nil {
		_, err = fmt.Println(string(text))
	}
	return err
}

func answerStats(w http.ResponseWriter, _ *http.Request) {
	samples := []metrics.Sample{{Name: "/gc/heap/allocs:objects"}, {Name: "/gc/heap/tiny/allocs:objects"}, {Name: "/gc/heap/allocs:bytes"}}
	metrics.Read(samples)
	s := stats{CPU: treeTime(), Objects: samples[0].Value.Uint64() + samples[1].Value.Uint64(), Bytes: samples[2].Value.Uint64()}
	_ = json.NewEncoder(w).Encode(s) // the parent went away
}

func beginProfile(w http.ResponseWriter, r *http.Request) {
	f, err := os.Create(r.URL.Query().Get("file"))
	if err == nil {
		err = pprof.StartCPUProfile(f)
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}
