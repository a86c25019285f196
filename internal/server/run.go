package server

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// What a slow or greedy client may cost.
const (
	headerTimeout = 10 * time.Second
	readTimeout   = 2 * time.Minute // a whole request, uploads included
	writeTimeout  = 5 * time.Minute
	idleTimeout   = 2 * time.Minute
	maxHeader     = 64 << 10
)

// Run listens and works until ctx ends. Then it takes no new requests, finishes
// those running and the jobs begun, and returns nil.
func (s *Server) Run(ctx context.Context) error {
	listener, err := net.Listen("tcp", s.config.Listen)
	if err != nil {
		return err
	}
	return s.Serve(ctx, listener)
}

// Serve is Run on a listener that is open already.
func (s *Server) Serve(ctx context.Context, listener net.Listener) error {
	work, stop := context.WithCancel(context.WithoutCancel(ctx)) // outlives the requests
	defer stop()
	main := s.httpServer(s.handler)
	tasks := map[string]func() error{
		"queue":     func() error { return s.queue.Run(work) },
		"authn":     func() error { return s.Authn.Run(work) },
		"callbacks": func() error { return s.Webhook.Run(work) },
		"limits":    func() error { return s.limit.Run(work) },
		"http":      func() error { return s.listen(main, listener) },
	}
	closers := []*http.Server{main}
	if s.config.Metrics != "" {
		l, err := net.Listen("tcp", s.config.Metrics)
		if err != nil {
			return errors.Join(err, listener.Close())
		}
		metrics := s.httpServer(s.metricsHandler())
		tasks["metrics"] = func() error { return ignoreClosed(metrics.Serve(l)) }
		closers = append(closers, metrics)
	}
	ended := make(chan error, len(tasks))
	for name, task := range tasks {
		go func() {
			err := task()
			if err != nil {
				s.log.Error("a task of the server ended", "task", name, "error", err)
			}
			ended <- err
		}()
	}
	s.log.Info("serving", slog.String("address", listener.Addr().String()), slog.String("url", s.config.URL))
	return s.await(ctx, stop, closers, ended, len(tasks))
}

// await waits for the end of ctx or of any task, and ends the rest in order: requests, then workers.
func (s *Server) await(ctx context.Context, stop func(), closers []*http.Server, ended chan error, running int) (err error) {
	select {
	case <-ctx.Done():
	case err = <-ended:
		running--
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.config.ShutdownAfter)
	defer cancel()
	for _, c := range closers {
		err = errors.Join(err, c.Shutdown(grace))
	}
	stop()
	for range running {
		select {
		case e := <-ended:
			err = errors.Join(err, e)
		case <-grace.Done():
			return errors.Join(err, errors.New("shutdown: a job did not end in time; another process takes it over"))
		}
	}
	return err
}

func (s *Server) httpServer(h http.Handler) *http.Server {
	return &http.Server{Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: readTimeout, WriteTimeout: writeTimeout,
		IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelWarn)}
}

func (s *Server) listen(h *http.Server, l net.Listener) error {
	if s.config.TLSCert != "" {
		return ignoreClosed(h.ServeTLS(l, s.config.TLSCert, s.config.TLSKey))
	}
	return ignoreClosed(h.Serve(l))
}

func ignoreClosed(err error) error {
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}
