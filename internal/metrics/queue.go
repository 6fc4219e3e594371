package metrics

import (
	"context"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// scrapeTime bounds what is counted in the database while Prometheus waits.
const scrapeTime = 5 * time.Second

var waiting = prometheus.NewDesc("regent_push_waiting",
	"What waits in the queue of a push service: messages whose devices are not all known, and deliveries to single devices.",
	[]string{"app", "service", "what"}, nil)

// queueLengths counts the push queues when it is asked, not as they change:
// several processes share them.
type queueLengths func(ctx context.Context, each func(app, service string, messages, deliveries int64)) error

func (q queueLengths) Describe(to chan<- *prometheus.Desc) { to <- waiting }

func (q queueLengths) Collect(to chan<- prometheus.Metric) {
	ctx, cancel := context.WithTimeout(context.Background(), scrapeTime)
	defer cancel()
	err := q(ctx, func(app, service string, messages, deliveries int64) {
		to <- prometheus.MustNewConstMetric(waiting, prometheus.GaugeValue, float64(messages), app, service, "messages")
		to <- prometheus.MustNewConstMetric(waiting, prometheus.GaugeValue, float64(deliveries), app, service, "deliveries")
	})
	if err != nil {
		to <- prometheus.NewInvalidMetric(waiting, err)
	}
}

var (
	watchStreams = prometheus.NewDesc("regent_watch_streams", "Open watch streams.", []string{"app"}, nil)
	watchEvents  = prometheus.NewDesc("regent_watch_waiting_events", "Events that wait for watching clients to take them.", []string{"app"}, nil)
	watchBytes   = prometheus.NewDesc("regent_watch_waiting_bytes", "Bytes of the events that wait for watching clients.", []string{"app"}, nil)
)

// watchQueues counts what waits for watching clients when it is asked.
type watchQueues func(each func(app string, streams, events, bytes int64))

func (q watchQueues) Describe(to chan<- *prometheus.Desc) {
	to <- watchStreams
	to <- watchEvents
	to <- watchBytes
}

func (q watchQueues) Collect(to chan<- prometheus.Metric) {
	q(func(app string, streams, events, bytes int64) {
		to <- prometheus.MustNewConstMetric(watchStreams, prometheus.GaugeValue, float64(streams), app)
		to <- prometheus.MustNewConstMetric(watchEvents, prometheus.GaugeValue, float64(events), app)
		to <- prometheus.MustNewConstMetric(watchBytes, prometheus.GaugeValue, float64(bytes), app)
	})
}

// WatchQueues adds the watch streams and what waits for them, counted at each
// scrape.
func (r *Registry) WatchQueues(count func(each func(app string, streams, events, bytes int64))) {
	r.registry.MustRegister(watchQueues(count))
}

// PushQueues adds the lengths of the push queues, counted at each scrape.
func (r *Registry) PushQueues(count func(ctx context.Context, each func(app, service string, messages, deliveries int64)) error) {
	r.registry.MustRegister(queueLengths(count))
}
