// Package session owns sessions: what a login leaves behind, the two tokens that
// stand for it, their signing keys, refresh and revocation (client-api.md §1.9, §1.12).
//
// A session is a document in __regent.sessions; one that was opened by creating
// its user lies in the user's document (FirstField). Removing it ends the session:
// its tokens are refused by every process at the next request, through a cache
// that a change stream keeps right (package live).
package session

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/session/live"
)

// Collections of __regent whose changes a Service follows.
const (
	usersCollection    = "users"
	sessionsCollection = "sessions"
	keysCollection     = "keys"
)

// DefaultCachedSessions bounds the sessions that a process holds in memory
// (about 600 bytes each).
const DefaultCachedSessions = 50_000

// Config is what a Service needs. DB and Master are required.
type Config struct {
	DB     *mongo.Database // __regent
	Master *MasterKey
	Now    func() time.Time // default: time.Now
	Rand   io.Reader        // default: crypto/rand
	Logger *slog.Logger     // default: slog.Default()

	CachedSessions int // default: DefaultCachedSessions
}

// Service issues and verifies the tokens of all apps of a process.
type Service struct {
	master   *MasterKey
	now      func() time.Time
	rand     io.Reader
	logger   *slog.Logger
	sessions *mongo.Collection
	users    *mongo.Collection // for the sessions in them
	keys     *mongo.Collection
	watcher  *live.Watcher
	known    *live.Cache[*Stored]
	verified tokenCache
	cancel   func()

	ringsMu sync.Mutex
	reload  sync.Mutex // held while the keys are read again for an unknown one
	rings   map[bson.ObjectID]*keyRing
}

// Open prepares the indexes and starts following changes. Close it.
func Open(ctx context.Context, c Config) (*Service, error) {
	if c.DB == nil || c.Master == nil {
		return nil, errors.New("sessions need a database and a master key")
	}
	s := &Service{
		master: c.Master, now: c.Now, rand: c.Rand, logger: c.Logger,
		sessions: c.DB.Collection(sessionsCollection), users: c.DB.Collection(usersCollection), keys: c.DB.Collection(keysCollection),
		rings: map[bson.ObjectID]*keyRing{},
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.rand == nil {
		s.rand = rand.Reader
	}
	if s.logger == nil {
		s.logger = slog.Default()
	}
	if err := ensureIndexes(ctx, s.sessions, s.keys); err != nil {
		return nil, fmt.Errorf("preparing sessions: %w", err)
	}
	s.watcher = live.Watch(c.DB, []string{usersCollection, sessionsCollection, keysCollection}, s.logger)
	size := c.CachedSessions
	if size <= 0 {
		size = DefaultCachedSessions
	}
	// A session document is only ever updated to note its last use.
	s.known = live.NewCache(s.watcher, sessionsCollection, size, s.find, "update")
	keys := s.watcher.Subscribe(&live.Subscriber{
		Collection: keysCollection,
		Changed:    func(live.Change) { s.forgetRings() },
		Reset:      s.forgetRings,
	})
	users := s.watcher.Subscribe(&live.Subscriber{
		Collection: usersCollection,
		Changed: func(c live.Change) {
			if id, ok := c.ID.ObjectIDOK(); ok && endedFirst(c) {
				s.known.Evict(id)
			}
		},
		Reset: func() {}, // known forgets everything by itself
	})
	s.cancel = func() { keys(); users() }
	return s, nil
}

// Close stops following changes.
func (s *Service) Close() {
	s.cancel()
	s.known.Close()
	s.watcher.Close()
}

// Watcher is the stream of account changes; package auth keeps its users right by it.
func (s *Service) Watcher() *live.Watcher { return s.watcher }
