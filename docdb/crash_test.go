package docdb_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
)

// TestKilledWriters kills a process with 16 writers, transactions, changes of the catalogue, compactions and backups at random moments, and opens
// what it leaves behind. Every acknowledged write is there; a write that was on its way is there as a whole or not at all, and exactly once
// when it is sent again with its transaction number; indexes agree with documents; and who knows the change events only, going on
// from the last one seen before, knows every document.
//
// DOCDB_CRASH_ROUNDS=200 go test ./docdb -run TestKilledWriters -timeout 30m does it two hundred times.
func TestKilledWriters(t *testing.T) {
	rounds := 4
	if n, err := strconv.Atoi(os.Getenv("DOCDB_CRASH_ROUNDS")); err == nil {
		rounds = n
	}
	dir := filepath.Join(t.TempDir(), "db")
	m := newCrashModel()
	rep := newReplica(crashDB)
	for round := 0; round < rounds; round++ {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), crashFolder+"="+dir, crashRound+"="+strconv.Itoa(round))
		cmd.Stderr = os.Stderr
		pipe, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		kill := func(within int) {
			time.AfterFunc(time.Duration(rand.IntN(within))*time.Millisecond, func() { cmd.Process.Kill() })
		}
		if round%5 == 4 {
			kill(150) // perhaps while it opens the folder, or makes it
		}
		acks := 0
		sc := bufio.NewScanner(pipe)
		for lines := 0; sc.Scan(); lines++ {
			if lines == 1 {
				kill(800)
			}
			line := sc.Text()
			if strings.HasPrefix(line, "error") {
				t.Fatalf("round %d: %s", round, line)
			}
			var s crashStep
			if json.Unmarshal([]byte(line), &s) != nil {
				continue // the last line may be cut off
			}
			if m.step(s) {
				acks++
			}
		}
		cmd.Wait()
		if testing.Verbose() {
			t.Logf("round %d: %d acknowledged", round, acks)
		}
		verifyCrash(t, round, dir, m, rep)
		verifyBackups(t, round, m)
		if t.Failed() {
			return
		}
	}
}

// verifyCrash opens the folder and compares it with what the model allows.
func verifyCrash(t *testing.T, round int, dir string, m *crashModel, rep *replica) {
	t.Helper()
	db, err := docdb.Open(dir, docdb.Options{Log: t.Logf})
	if err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	defer db.Close()
	c, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	mustBeSound(t, c, db, fmt.Sprintf("round %d", round))
	client, err := mongo.Connect(db.ClientOptions())
	must(t, err)
	defer client.Disconnect(c)
	// What was on its way with a transaction number is sent once more: it must have happened exactly once then.
	raw := rawDial(t, db)
	for _, s := range m.pending {
		if s.Resend != "" {
			var cmd bson.D
			must(t, bson.UnmarshalExtJSON([]byte(s.Resend), true, &cmd))
			if rep, err := raw.exchange(crashDB, cmd); err != nil || rep.Lookup("n").AsInt64() != 1 {
				t.Fatalf("round %d: sent again: %v %s", round, err, rep)
			}
			s.Ack = true
			m.step(s)
		}
	}
	actual, err := readCrash(c, client)
	must(t, err)
	if bad := m.settle(actual); bad != "" {
		t.Fatalf("round %d: %s", round, bad)
	}
	if _, err := rep.follow(c, client); err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	if bad, err := rep.compare(c, client); err != nil || bad != "" {
		t.Fatalf("round %d: change events: %v %s", round, err, bad)
	}
}

// verifyBackups restores the backups of a round. One that was acknowledged is there, and whatever has a backup's name is complete: it has
// what was acknowledged when it began, and each transaction as a whole.
func verifyBackups(t *testing.T, round int, m *crashModel) {
	t.Helper()
	for dir, b := range m.backups {
		delete(m.backups, dir)
		if _, err := os.Stat(dir); errors.Is(err, os.ErrNotExist) {
			if b.acked {
				t.Fatalf("round %d: the backup %s was acknowledged, and is not there", round, dir)
			}
			must(t, os.RemoveAll(dir+".partial"))
			continue
		}
		c, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		restored := dir + ".restored"
		must(t, docdb.Restore(c, dir, restored, nil))
		db, err := docdb.Open(restored, docdb.Options{CacheBytes: 8 << 20, Log: t.Logf})
		if err != nil {
			t.Fatalf("round %d: backup %s: %v", round, dir, err)
		}
		mustBeSound(t, c, db, fmt.Sprintf("round %d: backup", round))
		client, err := mongo.Connect(db.ClientOptions())
		must(t, err)
		actual, err := readCrash(c, client)
		must(t, err)
		must(t, client.Disconnect(c))
		must(t, db.Close())
		for _, id := range b.left {
			if _, ok := actual["left"][id]; !ok {
				t.Fatalf("round %d: the backup lacks %s, which was acknowledged before it", round, id)
			}
		}
		if bad := (crashState{"left": actual["left"]}).diff(crashState{"left": actual["right"]}); bad != "" {
			t.Fatalf("round %d: the backup has half a transaction: %s", round, bad)
		}
		must(t, os.RemoveAll(dir))
		must(t, os.RemoveAll(restored))
		if testing.Verbose() {
			t.Logf("round %d: a backup with %d transactions of which %d were acknowledged before it (acknowledged itself: %v)", round, len(actual["left"]), len(b.left), b.acked)
		}
	}
}

const (
	crashFolder = "DOCDB_CRASH_FOLDER"
	crashRound  = "DOCDB_CRASH_ROUND"
	crashDB     = "crash"

	restoreFrom = "DOCDB_RESTORE_FROM"
	restoreTo   = "DOCDB_RESTORE_TO"
)

// TestMain runs the writers of TestKilledWriters, or restores a backup, when it is asked to.
func TestMain(m *testing.M) {
	if dir := os.Getenv(crashFolder); dir != "" {
		round, _ := strconv.Atoi(os.Getenv(crashRound))
		if err := crashWriters(dir, round); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	if from := os.Getenv(restoreFrom); from != "" {
		if err := docdb.Restore(context.Background(), from, os.Getenv(restoreTo), nil); err != nil {
			fmt.Println("error", err)
		}
		return
	}
	os.Exit(m.Run())
}

// crashStep says what a writer is about to do (Ack false), or that it has been acknowledged.
type crashStep struct {
	Writer int      `json:"w"`
	N      int      `json:"n"`
	Ack    bool     `json:"ack,omitempty"`
	Does   []effect `json:"e,omitempty"`
	// Whole says that the effects come all together or not at all; otherwise in their order.
	Whole bool `json:"whole,omitempty"`
	// Resend is the command to send again if it was not answered.
	Resend string `json:"resend,omitempty"`
	// Backup is the folder that a backup is written to.
	Backup string `json:"backup,omitempty"`
}

// effect is what one document or collection is afterwards.
type effect struct {
	Coll string `json:"c"`
	ID   string `json:"id,omitempty"`
	V    int    `json:"v,omitempty"`    // the document's field v; gone if negative
	Drop bool   `json:"drop,omitempty"` // the collection goes
	To   string `json:"to,omitempty"`   // the collection is called so from now on
	Make bool   `json:"make,omitempty"` // the collection is there, without documents
	// Index, if not "", is made, or dropped when V is negative.
	Index string `json:"ix,omitempty"`
}

// crashState is what a database has: documents (and indexes) by collection.
type crashState map[string]map[string]int

func (s crashState) clone() crashState {
	out := crashState{}
	for c, docs := range s {
		m := map[string]int{}
		for k, v := range docs {
			m[k] = v
		}
		out[c] = m
	}
	return out
}

func (s crashState) do(e effect) {
	coll := s[e.Coll]
	switch {
	case e.Drop:
		delete(s, e.Coll)
		return
	case e.To != "":
		delete(s, e.Coll)
		s[e.To] = coll
		return
	}
	if coll == nil {
		coll = map[string]int{}
		s[e.Coll] = coll
	}
	id := e.ID
	if e.Index != "" {
		id = "index " + e.Index
	}
	switch {
	case e.Make:
	case e.V < 0:
		delete(coll, id)
	default:
		coll[id] = e.V
	}
}

// diff names the first difference between two states.
func (s crashState) diff(o crashState) string {
	for c, docs := range s {
		if o[c] == nil {
			return fmt.Sprintf("collection %s is missing", c)
		}
		for id, v := range docs {
			if w, ok := o[c][id]; !ok || v != w {
				return fmt.Sprintf("%s %s is %d (there: %v), want %d", c, id, w, ok, v)
			}
		}
		for id := range o[c] {
			if _, ok := docs[id]; !ok {
				return fmt.Sprintf("%s %s should not be there", c, id)
			}
		}
	}
	for c := range o {
		if s[c] == nil {
			return fmt.Sprintf("collection %s should not be there", c)
		}
	}
	return ""
}

// crashModel is what must be there: all that was acknowledged, and of each writer one step that may be.
type crashModel struct {
	state   crashState
	pending map[int]crashStep
	backups map[string]*crashBackup
}

// crashBackup is what a backup must have: the documents of left that were acknowledged when it began, which nobody removes.
type crashBackup struct {
	left  []string
	acked bool
}

func newCrashModel() *crashModel {
	return &crashModel{state: crashState{}, pending: map[int]crashStep{}, backups: map[string]*crashBackup{}}
}

func (m *crashModel) step(s crashStep) (ack bool) {
	if !s.Ack {
		m.pending[s.Writer] = s
		if s.Backup != "" {
			m.backups[s.Backup] = &crashBackup{left: slices.Collect(maps.Keys(m.state["left"]))}
		}
		return false
	}
	if b := m.backups[m.pending[s.Writer].Backup]; b != nil {
		b.acked = true
	}
	for _, e := range m.pending[s.Writer].Does {
		m.state.do(e)
	}
	delete(m.pending, s.Writer)
	return true
}

// settle looks for a state that the model allows and that is the actual one, and goes on from it. Writers touch different documents, so
// that each is judged alone.
func (m *crashModel) settle(actual crashState) string {
	for w, s := range m.pending {
		delete(m.pending, w)
		best := ""
		for n := 0; n <= len(s.Does); n++ {
			if s.Whole && n != 0 && n != len(s.Does) {
				continue
			}
			try := m.state.clone()
			for _, e := range s.Does[:n] {
				try.do(e)
			}
			// Only what this step touches is looked at.
			if bad := touched(s.Does, try, actual); bad == "" {
				best = ""
				m.state = try
				break
			} else if n == 0 {
				best = bad
			} else if n == len(s.Does) && best != "" {
				return fmt.Sprintf("writer %d: step %d neither happened (%s) nor did not (%s)", w, s.N, bad, best)
			}
		}
	}
	if bad := m.state.diff(actual); bad != "" {
		return bad
	}
	m.state = actual
	return ""
}

// touched compares two states in the places of some effects.
func touched(does []effect, a, b crashState) string {
	for _, e := range does {
		for _, c := range []string{e.Coll, e.To} {
			if c == "" {
				continue
			}
			if e.ID == "" && e.Index == "" && (a[c] == nil) != (b[c] == nil) {
				return fmt.Sprintf("collection %s: %v, %v", c, a[c] != nil, b[c] != nil)
			}
			id := e.ID
			if e.Index != "" {
				id = "index " + e.Index
			}
			v, ok := a[c][id]
			w, ok2 := b[c][id]
			if v != w || ok != ok2 {
				return fmt.Sprintf("%s %s: %d %v, %d %v", c, id, v, ok, w, ok2)
			}
		}
	}
	return ""
}

// readCrash reads the whole database.
func readCrash(c context.Context, client *mongo.Client) (crashState, error) {
	out := crashState{}
	d := client.Database(crashDB)
	names, err := d.ListCollectionNames(c, bson.D{})
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		m := map[string]int{}
		out[name] = m
		cur, err := d.Collection(name).Find(c, bson.D{})
		if err != nil {
			return nil, err
		}
		for cur.Next(c) {
			m[cur.Current.Lookup("_id").StringValue()] = int(cur.Current.Lookup("v").AsInt64())
		}
		if err := cur.Err(); err != nil {
			return nil, err
		}
		specs, err := d.Collection(name).Indexes().ListSpecifications(c)
		if err != nil {
			return nil, err
		}
		for _, s := range specs {
			if s.Name != "_id_" && name != "items" {
				m["index "+s.Name] = 0
			}
		}
	}
	return out, nil
}

// crashWriters writes until the process is killed, and prints a line before each step and one when it has been acknowledged.
func crashWriters(dir string, round int) error {
	// In two rounds of three it is busy with data files, too.
	memtable := []uint64{128 << 10, 1 << 20, 0}[round%3]
	db, err := docdb.Open(dir, docdb.WithMemtableBytes(docdb.Options{CacheBytes: 8 << 20}, memtable))
	if err != nil {
		return err
	}
	client, err := mongo.Connect(db.ClientOptions())
	if err != nil {
		return err
	}
	c := context.Background()
	d := client.Database(crashDB)
	// The collections are there before the writers begin, so that a transaction need not make them.
	setup := crashStep{}
	colls := []string{"items", "left", "right", "counters"}
	for _, name := range colls {
		setup.Does = append(setup.Does, effect{Coll: name, Make: true})
	}
	say(setup)
	for _, name := range colls {
		if err := d.CreateCollection(c, name); err != nil && !alreadyThere(err) {
			return err
		}
	}
	setup.Ack = true
	say(setup)
	fail := make(chan error)
	for w := 0; w < crashWriterCount; w++ {
		conn, err := db.Dialer().DialContext(c, "", "")
		if err != nil {
			return err
		}
		cw := &crashWriter{c: c, d: d, client: client, raw: rawConn{conn}, w: w, round: round, rng: rand.New(rand.NewPCG(uint64(round), uint64(w)))}
		go func() { fail <- cw.run() }()
	}
	cw := &crashWriter{c: c, d: d, dir: dir, client: client, w: crashWriterCount, round: round, rng: rand.New(rand.NewPCG(uint64(round), 1000))}
	go func() { fail <- cw.catalogue(db) }()
	return <-fail
}

const crashWriterCount = 16

func alreadyThere(err error) bool {
	var ce mongo.CommandError
	return errors.As(err, &ce) && (ce.Code == 48 || ce.Code == 85 || ce.Code == 86)
}

func say(s crashStep) {
	b, _ := json.Marshal(s)
	os.Stdout.Write(append(b, '\n'))
}

// crashWriter is one of the writers. All documents of a writer carry its number in their _id.
type crashWriter struct {
	c        context.Context
	d        *mongo.Database
	client   *mongo.Client
	raw      rawConn
	dir      string
	w, round int
	rng      *rand.Rand
	n        int
	mine     []string // documents in items
	incs     int
	sess     *mongo.Session
}

// step says what comes, does it, and says that it is done.
func (cw *crashWriter) step(s crashStep, f func() error) error {
	cw.n++
	s.Writer, s.N = cw.w, cw.n
	say(s)
	if err := f(); err != nil {
		return fmt.Errorf("writer %d step %d %v: %w", cw.w, cw.n, s.Does, err)
	}
	say(crashStep{Writer: cw.w, N: cw.n, Ack: true})
	return nil
}

func (cw *crashWriter) id() string {
	return fmt.Sprintf("%d-%d-%d", cw.round, cw.w, cw.rng.IntN(1<<40))
}

func (cw *crashWriter) doc(id string, v int) bson.D {
	return bson.D{{Key: "_id", Value: id}, {Key: "w", Value: cw.w}, {Key: "v", Value: v}, {Key: "tags", Value: bson.A{v % 5, v % 7, id}}, {Key: "pad", Value: strings.Repeat("x", cw.rng.IntN(2000))}}
}

func (cw *crashWriter) run() error {
	var err error
	if cw.sess, err = cw.client.StartSession(); err != nil {
		return err
	}
	items := cw.d.Collection("items")
	lsid := bson.D{{Key: "id", Value: bson.Binary{Subtype: 4, Data: []byte(fmt.Sprintf("crash %04d  %04d", cw.w, cw.round))}}}
	for {
		v := 1 + cw.rng.IntN(1000)
		switch kind := cw.rng.IntN(10); {
		case kind < 3 || len(cw.mine) == 0:
			id := cw.id()
			err = cw.step(crashStep{Does: []effect{{Coll: "items", ID: id, V: v}}}, func() error {
				_, err := items.InsertOne(cw.c, cw.doc(id, v))
				return err
			})
			cw.mine = append(cw.mine, id)
		case kind == 3: // an ordered batch: a first part of it may be there
			var docs []any
			var s crashStep
			for i := 0; i < 5; i++ {
				id := cw.id()
				docs = append(docs, cw.doc(id, v))
				s.Does = append(s.Does, effect{Coll: "items", ID: id, V: v})
				cw.mine = append(cw.mine, id)
			}
			err = cw.step(s, func() error { _, err := items.InsertMany(cw.c, docs); return err })
		case kind == 4:
			id := cw.mine[cw.rng.IntN(len(cw.mine))]
			err = cw.step(crashStep{Does: []effect{{Coll: "items", ID: id, V: v}}}, func() error {
				r, err := items.UpdateOne(cw.c, bson.D{{Key: "_id", Value: id}}, bson.D{{Key: "$set", Value: bson.D{{Key: "v", Value: v}, {Key: "tags.0", Value: v % 3}}}})
				if err == nil && r.MatchedCount != 1 {
					err = errors.New("an acknowledged document is not there")
				}
				return err
			})
		case kind == 5:
			i := cw.rng.IntN(len(cw.mine))
			id := cw.mine[i]
			cw.mine = append(cw.mine[:i], cw.mine[i+1:]...)
			err = cw.step(crashStep{Does: []effect{{Coll: "items", ID: id, V: -1}}}, func() error {
				r, err := items.DeleteOne(cw.c, bson.D{{Key: "w", Value: cw.w}, {Key: "_id", Value: id}})
				if err == nil && r.DeletedCount != 1 {
					err = errors.New("an acknowledged document is not there")
				}
				return err
			})
		case kind < 8: // a transaction over three collections
			id := cw.id()
			up := cw.mine[cw.rng.IntN(len(cw.mine))]
			s := crashStep{Whole: true, Does: []effect{{Coll: "left", ID: id, V: v}, {Coll: "right", ID: id, V: v}, {Coll: "items", ID: up, V: v}}}
			err = cw.step(s, func() error {
				_, err := cw.sess.WithTransaction(cw.c, func(tx context.Context) (any, error) {
					if _, err := cw.d.Collection("left").InsertOne(tx, cw.doc(id, v)); err != nil {
						return nil, err
					}
					if _, err := items.UpdateOne(tx, bson.D{{Key: "_id", Value: up}}, bson.D{{Key: "$set", Value: bson.D{{Key: "v", Value: v}}}}); err != nil {
						return nil, err
					}
					return cw.d.Collection("right").InsertOne(tx, cw.doc(id, v))
				})
				return err
			})
		default: // $inc with a transaction number, sent again after a crash
			id := fmt.Sprintf("%d-%d", cw.round, cw.w)
			n := cw.n
			cmd := bson.D{{Key: "update", Value: "counters"}, {Key: "updates", Value: bson.A{bson.D{{Key: "q", Value: bson.D{{Key: "_id", Value: id}}}, {Key: "u", Value: bson.D{{Key: "$inc", Value: bson.D{{Key: "v", Value: 1}}}}}, {Key: "upsert", Value: true}}}},
				{Key: "lsid", Value: lsid}, {Key: "txnNumber", Value: int64(n + 1)}}
			x, _ := bson.MarshalExtJSON(cmd, true, false)
			cw.incs++
			err = cw.step(crashStep{Does: []effect{{Coll: "counters", ID: id, V: cw.incs}}, Resend: string(x)}, func() error {
				rep, err := cw.raw.exchange(crashDB, cmd)
				if err == nil && rep.Lookup("n").AsInt64() != 1 {
					err = fmt.Errorf("%s", rep)
				}
				return err
			})
		}
		if err != nil {
			return err
		}
	}
}

// catalogue makes, fills, renames and drops collections, builds and drops indexes, and compacts.
func (cw *crashWriter) catalogue(db *docdb.DB) error {
	items := cw.d.Collection("items").Indexes()
	for k := 0; ; k++ {
		a, b := fmt.Sprintf("a-%d-%d", cw.round, k), fmt.Sprintf("b-%d-%d", cw.round, k)
		coll := cw.d.Collection(a)
		if err := cw.step(crashStep{Does: []effect{{Coll: a, Make: true}}}, func() error { return cw.d.CreateCollection(cw.c, a) }); err != nil {
			return err
		}
		var docs []any
		var s crashStep
		for i := 0; i < 20; i++ {
			id := cw.id()
			docs = append(docs, cw.doc(id, i+1))
			s.Does = append(s.Does, effect{Coll: a, ID: id, V: i + 1})
		}
		if err := cw.step(s, func() error { _, err := coll.InsertMany(cw.c, docs); return err }); err != nil {
			return err
		}
		if err := cw.step(crashStep{Does: []effect{{Coll: a, Index: "tags_1"}}}, func() error {
			_, err := coll.Indexes().CreateOne(cw.c, mongo.IndexModel{Keys: bson.D{{Key: "tags", Value: 1}}})
			return err
		}); err != nil {
			return err
		}
		// The large collection that all write to gets an index and loses it.
		name := []bson.D{{{Key: "w", Value: 1}, {Key: "v", Value: -1}}, {{Key: "tags", Value: 1}}, {{Key: "v", Value: "hashed"}}}[k%3]
		n, err := items.CreateOne(cw.c, mongo.IndexModel{Keys: name})
		if err != nil {
			return err
		}
		if err := cw.step(crashStep{Whole: true, Does: []effect{{Coll: a, To: b}}}, func() error {
			return cw.client.Database("admin").RunCommand(cw.c, bson.D{{Key: "renameCollection", Value: crashDB + "." + a}, {Key: "to", Value: crashDB + "." + b}}).Err()
		}); err != nil {
			return err
		}
		if k%2 == 0 {
			if err := items.DropOne(cw.c, n); err != nil {
				return err
			}
		}
		if k%3 != 2 {
			if err := cw.step(crashStep{Does: []effect{{Coll: b, Drop: true}}}, func() error { return cw.d.Collection(b).Drop(cw.c) }); err != nil {
				return err
			}
		} else if err := cw.step(crashStep{Does: []effect{{Coll: b, Index: "tags_1", V: -1}}}, func() error { return cw.d.Collection(b).Indexes().DropOne(cw.c, "tags_1") }); err != nil {
			return err
		}
		if k%4 == 1 {
			name := fmt.Sprintf("%s-backup-%d-%d", cw.dir, cw.round, k)
			if err := cw.step(crashStep{Backup: name}, func() error { return db.Backup(cw.c, name) }); err != nil {
				return err
			}
		}
		if k%4 == 3 {
			if err := db.Compact(cw.c); err != nil {
				return err
			}
		}
	}
}

// mustBeSound compares all indexes with their documents.
func mustBeSound(t *testing.T, ctx context.Context, db *docdb.DB, when string) {
	t.Helper()
	reports, err := db.Check(ctx)
	must(t, err)
	for _, r := range reports {
		if len(r.Problems) > 0 {
			t.Fatalf("%s: %s: %v", when, r.Namespace, r.Problems)
		}
	}
}
