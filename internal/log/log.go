// Package log keeps the apps' log entries in the database: what a function
// printed and how long it took, who logged in, what was refused and why
// (app-services.md §13). Entries are written behind the requests, in batches,
// and removed after the retention time.
package log

import (
	"context"
	"log/slog"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"
	"go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore"

	"regent/internal/bulk"
)

// Types of entries, as the original named them.
const (
	TypeAPI             = "API"
	TypeAuth            = "AUTH"
	TypeAPIKey          = "API_KEY"
	TypeFunction        = "FUNCTION"
	TypeServiceFunction = "SERVICE_FUNCTION"
	TypeStream          = "SERVICE_STREAM_FUNCTION"
	TypePush            = "PUSH"
)

// DefaultRetention is how long an entry is kept that says nothing else, as the
// original did.
const DefaultRetention = 10 * 24 * time.Hour

// Limits of one entry (app-services.md §13.1) and of the queue.
const (
	maxQueue     = 8192
	maxBatch     = 500
	flushEvery   = 200 * time.Millisecond
	maxErrorText = 4096
)

// Entry is one log entry.
type Entry struct {
	ID           bson.ObjectID `bson:"_id,omitempty"` // given when it is written, a moment after the request
	RequestID    string        `bson:"co_id"`         // correlation id, also in the reply's link
	AppID        string        `bson:"app_id"`
	Type         string        `bson:"type"`
	Started      time.Time     `bson:"started"`
	Completed    time.Time     `bson:"completed"`
	UserID       string        `bson:"user_id,omitempty"`
	RemoteIP     string        `bson:"remote_ip_address,omitempty"`
	FunctionName string        `bson:"function_name,omitempty"`
	Arguments    string        `bson:"arguments,omitempty"` // EJSON, absent with disable_arg_logs
	Messages     []string      `bson:"messages,omitempty"`
	MemoryBytes  int64         `bson:"memory_bytes,omitempty"`
	Route        string        `bson:"route,omitempty"`
	Status       int           `bson:"status,omitempty"` // HTTP status
	Error        string        `bson:"error,omitempty"`
	ErrorCode    string        `bson:"error_code,omitempty"`
	Stack        string        `bson:"stack,omitempty"`
	Expires      time.Time     `bson:"expires"` // when it is removed
}

// encode writes an entry as the driver would, without its reflection, which every
// function call and log-in paid for.
func (e *Entry) encode() bson.Raw {
	start, doc := bsoncore.AppendDocumentStart(make([]byte, 0, 320+len(e.Arguments)+len(e.Error)+len(e.Stack)))
	text := func(name, value string) {
		if value != "" {
			doc = bsoncore.AppendStringElement(doc, name, value)
		}
	}
	doc = bsoncore.AppendObjectIDElement(doc, "_id", e.ID)
	doc = bsoncore.AppendStringElement(doc, "co_id", e.RequestID)
	doc = bsoncore.AppendStringElement(doc, "app_id", e.AppID)
	doc = bsoncore.AppendStringElement(doc, "type", e.Type)
	doc = bsoncore.AppendDateTimeElement(doc, "started", e.Started.UnixMilli())
	doc = bsoncore.AppendDateTimeElement(doc, "completed", e.Completed.UnixMilli())
	text("user_id", e.UserID)
	text("remote_ip_address", e.RemoteIP)
	text("function_name", e.FunctionName)
	text("arguments", e.Arguments)
	if len(e.Messages) > 0 {
		list, d := bsoncore.AppendArrayElementStart(doc, "messages")
		for i, m := range e.Messages {
			d = bsoncore.AppendStringElement(d, strconv.Itoa(i), m)
		}
		doc, _ = bsoncore.AppendArrayEnd(d, list)
	}
	if e.MemoryBytes != 0 {
		doc = bsoncore.AppendInt64Element(doc, "memory_bytes", e.MemoryBytes)
	}
	text("route", e.Route)
	if e.Status != 0 {
		doc = bsoncore.AppendInt32Element(doc, "status", int32(e.Status))
	}
	text("error", e.Error)
	text("error_code", e.ErrorCode)
	text("stack", e.Stack)
	doc = bsoncore.AppendDateTimeElement(doc, "expires", e.Expires.UnixMilli())
	doc, _ = bsoncore.AppendDocumentEnd(doc, start)
	return bson.Raw(doc)
}

// Store writes and reads entries.
type Store struct {
	entries *mongo.Collection
	writes  *bulk.Inserter
	log     *slog.Logger
	queue   chan Entry
	dropped atomic.Int64
	done    chan struct{}
	once    sync.Once
}

// Open prepares the collection "logs" of db and starts the writer.
func Open(ctx context.Context, db *mongo.Database, logger *slog.Logger) (*Store, error) {
	c := db.Collection("logs")
	_, err := c.Indexes().CreateMany(ctx, []mongo.IndexModel{
		// Lists go by _id, which begins with the time: every further index is
		// paid for at every function call.
		{Keys: bson.D{{Key: "co_id", Value: 1}}},
		{Keys: bson.D{{Key: "expires", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(0)},
	})
	if err != nil {
		return nil, err
	}
	// A lost second of log is not worth a sync for every batch.
	var journal bool
	writes, err := bulk.New(c, &writeconcern.WriteConcern{W: 1, Journal: &journal})
	if err != nil {
		return nil, err
	}
	s := &Store{entries: c, writes: writes, log: logger, queue: make(chan Entry, maxQueue), done: make(chan struct{})}
	go s.write()
	return s, nil
}

// Add queues an entry. It never blocks a request: when the database can't keep
// up, entries are dropped and counted.
func (s *Store) Add(e Entry) {
	if e.Expires.IsZero() {
		e.Expires = e.Started.Add(DefaultRetention)
	}
	if len(e.Error) > maxErrorText {
		e.Error = e.Error[:maxErrorText] + "…"
	}
	select {
	case s.queue <- e:
	default:
		s.dropped.Add(1)
	}
}

// Close writes what is queued and stops the writer. Add must not be called
// afterwards.
func (s *Store) Close() {
	s.once.Do(func() { close(s.queue) })
	<-s.done
}

func (s *Store) write() {
	defer close(s.done)
	batch := make([]bson.Raw, 0, maxBatch)
	add := func(e Entry) {
		e.ID = bson.NewObjectID()
		batch = append(batch, e.encode())
	}
	for e := range s.queue {
		batch = batch[:0]
		add(e)
		timer := time.NewTimer(flushEvery)
	fill:
		for len(batch) < maxBatch {
			select {
			case e, ok := <-s.queue:
				if !ok {
					break fill
				}
				add(e)
			case <-timer.C:
				break fill
			}
		}
		timer.Stop()
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		refused, err := s.writes.Insert(ctx, batch)
		cancel()
		if err != nil {
			s.log.Warn("log entries were not kept", "entries", len(batch), "error", err)
		} else if len(refused) > 0 {
			s.log.Warn("log entries were not kept", "entries", len(refused), "error", refused[0])
		}
		if n := s.dropped.Swap(0); n > 0 {
			s.log.Warn("log entries were dropped because the database could not keep up", "entries", n)
		}
	}
}

// Query selects entries; zero fields select all.
type Query struct {
	AppID     string
	RequestID string
	UserID    string
	Function  string
	Type      string
	Errors    bool // only entries with an error
	Since     time.Time
	Limit     int // newest entries; 0: 100
}

func (q Query) filter() bson.D {
	f := bson.D{}
	for _, c := range []struct{ key, value string }{
		{"app_id", q.AppID}, {"co_id", q.RequestID}, {"user_id", q.UserID}, {"function_name", q.Function}, {"type", q.Type},
	} {
		if c.value != "" {
			f = append(f, bson.E{Key: c.key, Value: c.value})
		}
	}
	if q.Errors {
		f = append(f, bson.E{Key: "error", Value: bson.D{{Key: "$exists", Value: true}}})
	}
	if !q.Since.IsZero() {
		first := bson.NewObjectIDFromTimestamp(q.Since)
		clear(first[4:])
		f = append(f, bson.E{Key: "_id", Value: bson.D{{Key: "$gte", Value: first}}})
	}
	return f
}

// Find returns the newest entries that match, oldest first.
func (s *Store) Find(ctx context.Context, q Query) ([]Entry, error) {
	limit := q.Limit
	if limit <= 0 {
		limit = 100
	}
	cursor, err := s.entries.Find(ctx, q.filter(), options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(int64(limit)))
	if err != nil {
		return nil, err
	}
	var out []Entry
	if err := cursor.All(ctx, &out); err != nil {
		return nil, err
	}
	// Ids of one second are in no order among processes.
	slices.SortStableFunc(out, func(a, b Entry) int { return a.Started.Compare(b.Started) })
	return out, nil
}

// Follow calls each for every entry that is added and matches, until ctx is
// done or each fails.
func (s *Store) Follow(ctx context.Context, q Query, each func(Entry) error) error {
	match := bson.D{{Key: "operationType", Value: "insert"}}
	for _, e := range q.filter() {
		match = append(match, bson.E{Key: "fullDocument." + e.Key, Value: e.Value})
	}
	stream, err := s.entries.Watch(ctx, mongo.Pipeline{{{Key: "$match", Value: match}}})
	if err != nil {
		return err
	}
	defer stream.Close(context.WithoutCancel(ctx))
	for stream.Next(ctx) {
		var event struct {
			Entry Entry `bson:"fullDocument"`
		}
		if err := stream.Decode(&event); err != nil {
			return err
		}
		if err := each(event.Entry); err != nil {
			return err
		}
	}
	if ctx.Err() != nil {
		return nil
	}
	return stream.Err()
}
