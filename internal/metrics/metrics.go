// Package metrics counts what the server does, for Prometheus.
package metrics

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Registry holds the server's metrics.
type Registry struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	pushes   *prometheus.CounterVec
	pushTime *prometheus.HistogramVec
}

// New returns a Registry with the metrics of requests, of the process and of
// the Go runtime.
func New() *Registry {
	r := &Registry{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "regent_requests_total", Help: "Finished API requests by route and HTTP status.",
		}, []string{"route", "status"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "regent_request_seconds", Help: "Time to answer API requests by route; a stream counts until it ends.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, 1, 5, 30},
		}, []string{"route"}),
	}
	r.pushes = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "regent_push_attempts_total", Help: "Tries to send a push message by app, service, kind (fcm, webpush) and result (sent, retry, gone, failed).",
	}, []string{"app", "service", "kind", "result"})
	r.pushTime = prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "regent_push_seconds", Help: "Time of one try to send a push message, by kind.", Buckets: []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 15},
	}, []string{"kind"})
	r.registry.MustRegister(r.requests, r.seconds, r.pushes, r.pushTime,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

// ObserveRequest counts one finished request.
func (r *Registry) ObserveRequest(route string, status int, took time.Duration) {
	r.requests.WithLabelValues(route, strconv.Itoa(status)).Inc()
	r.seconds.WithLabelValues(route).Observe(took.Seconds())
}

// ObservePush counts one try to send a push message.
func (r *Registry) ObservePush(app, service, kind, result string, took time.Duration) {
	r.pushes.WithLabelValues(app, service, kind, result).Inc()
	r.pushTime.WithLabelValues(kind).Observe(took.Seconds())
}

// Handler serves the metrics in Prometheus' text format.
func (r *Registry) Handler() http.Handler {
	// What one collector cannot tell must not hide what the others can.
	return promhttp.HandlerFor(r.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}
