package server

import (
	"context"
	"net/http"
	"net/http/pprof"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"countersign.dev/internal/db"
	"countersign.dev/internal/jobs"
)

// metricsHandler serves metrics and profiles, on a listener of its own.
func (s *Server) metricsHandler() http.Handler {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), queueMetrics{s})
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
	mux.HandleFunc("/debug/pprof/", pprof.Index)
	mux.HandleFunc("/debug/pprof/profile", pprof.Profile)
	mux.HandleFunc("/debug/pprof/trace", pprof.Trace)
	return mux
}

// queueMetrics reads the queue when it is asked.
type queueMetrics struct{ s *Server }

var (
	jobsWaiting = prometheus.NewDesc("countersign_jobs_waiting", "Jobs that are not done.", []string{"kind"}, nil)
	jobsOldest  = prometheus.NewDesc("countersign_jobs_oldest_seconds",
		"Age of the oldest job that is not done; of kind seal: of the oldest package that is signed but not sealed.", []string{"kind"}, nil)
)

// Describe implements prometheus.Collector.
func (queueMetrics) Describe(ch chan<- *prometheus.Desc) { ch <- jobsWaiting; ch <- jobsOldest }

// Collect implements prometheus.Collector.
func (m queueMetrics) Collect(ch chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	for _, kind := range []string{"seal", "mail"} {
		err := m.s.DB.Read(ctx, func(tx *db.Tx) error {
			n, oldest, err := jobs.Pending(tx, kind)
			if err != nil {
				return err
			}
			now, err := tx.Now()
			age := 0.0
			if n > 0 {
				age = now.Sub(oldest).Seconds()
			}
			ch <- prometheus.MustNewConstMetric(jobsWaiting, prometheus.GaugeValue, float64(n), kind)
			ch <- prometheus.MustNewConstMetric(jobsOldest, prometheus.GaugeValue, age, kind)
			return err
		})
		if err != nil {
			ch <- prometheus.NewInvalidMetric(jobsWaiting, err)
		}
	}
}
