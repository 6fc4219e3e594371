package regent

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"regent/docdb"
	"regent/internal/operator"
)

// docdbCommands are the commands about the embedded database.
var docdbCommands = []boundCommand{
	{operator.Command{Name: "docdb user", Use: "NAME", Short: "Make a database user for --docdb-listen, or give one a new password", MinArgs: 1, MaxArgs: 1, NoApp: true, Store: true,
		Flags: []operator.Flag{{Name: "password", Help: "the password; without it a random one is made and printed"}, {Name: "drop", Bool: true, Help: "remove the user instead"}}},
		withDocDB(docdbUser)},
	{operator.Command{Name: "docdb users", Short: "List the database users", NoApp: true, Store: true, Existing: true}, withDocDB(func(_ context.Context, db *docdb.DB, c *operator.Call) error {
		names, err := db.Users()
		if err != nil {
			return err
		}
		if len(names) == 0 {
			return c.Note("there are no users: --docdb-listen asks for no login and takes addresses of this machine only")
		}
		for _, n := range names {
			n = strings.TrimPrefix(n, "admin.")
			if err := c.Print(operator.Row{{Name: "user", Value: n}}); err != nil {
				return err
			}
		}
		return nil
	})},
	{operator.Command{Name: "docdb backup", Use: "DIR", Short: "Write a copy of the database, as it is now, into a new folder; the server goes on meanwhile",
		Long: `The copy is of one moment and holds every document, index and user; "regent
docdb restore" makes a database of it again. The data folder's master.key is not
in it: keep a copy elsewhere, sessions and secrets are encrypted under it.`,
		MinArgs: 1, MaxArgs: 1, NoApp: true, Store: true, Existing: true, Dir: true},
		withDocDB(docdbBackup)},
	{operator.Command{Name: "docdb check", Short: "Compare every index with its documents",
		Long: `Reads every document and every index entry, and so every block of the files,
whose checksums are looked at. The exit code is 1 when anything is wrong.`, NoApp: true, Store: true, Existing: true}, withDocDB(docdbCheck)},
	{operator.Command{Name: "docdb compact", Short: "Rewrite the data files so that deleted documents take no room", NoApp: true, Store: true, Existing: true}, withDocDB(func(ctx context.Context, db *docdb.DB, c *operator.Call) error {
		before := db.Stats().DiskBytes
		began := time.Now()
		stop := meanwhile(c, func() string {
			return fmt.Sprintf("rewriting %d bytes for %v; the files take %d now", before, time.Since(began).Round(time.Second), db.Stats().DiskBytes)
		})
		err := db.Compact(ctx)
		stop()
		if err != nil {
			return err
		}
		// The old files go in the background.
		for range 20 {
			if db.Stats().DiskBytes <= before {
				break
			}
			time.Sleep(50 * time.Millisecond)
		}
		return c.Print(operator.Row{{Name: "bytes_before", Value: before}, {Name: "bytes_after", Value: db.Stats().DiskBytes}})
	})},
	{operator.Command{Name: "docdb stats", Short: "Show what each collection holds and takes", NoApp: true, Store: true, Existing: true}, withDocDB(docdbStats)},
}

func withDocDB(f func(context.Context, *docdb.DB, *operator.Call) error) func(*Server, context.Context, *operator.Call) error {
	return func(srv *Server, ctx context.Context, c *operator.Call) error {
		if srv.deployments.embedded == nil {
			return errors.New("this server's data lies in a MongoDB deployment, there is no embedded database")
		}
		return f(ctx, srv.deployments.embedded, c)
	}
}

func docdbUser(_ context.Context, db *docdb.DB, c *operator.Call) error {
	name := c.Args[0]
	if c.Bool("drop") {
		return done(c, name, "removed", db.DropUser(name))
	}
	pass, made, err := passwordOf(c)
	if err != nil {
		return err
	}
	if err := db.CreateUser(name, pass); err != nil || !made {
		return done(c, name, "may log in", err)
	}
	return c.Print(operator.Row{{Name: "user", Value: name}, {Name: "password", Value: pass}})
}

// progressEvery is how often long work tells how far it is.
const progressEvery = 2 * time.Second

// meanwhile notes what say says while something takes long, until stop is called.
func meanwhile(c *operator.Call, say func() string) (stop func()) {
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(progressEvery)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
				c.Note("%s", say())
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
	}
}

func docdbBackup(ctx context.Context, db *docdb.DB, c *operator.Call) error {
	dir := c.Args[0]
	stop := meanwhile(c, func() string {
		written := int64(0)
		filepath.WalkDir(dir+".partial", func(_ string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() {
				if info, err := e.Info(); err == nil {
					written += info.Size()
				}
			}
			return nil
		})
		return fmt.Sprintf("%d bytes are in %s.partial, of about %d", written, dir, db.Stats().DiskBytes)
	})
	err := db.Backup(ctx, dir)
	stop()
	return done(c, dir, "backed up; keep the data folder's master.key beside it, sessions and secrets are encrypted under it", err)
}

func docdbCheck(ctx context.Context, db *docdb.DB, c *operator.Call) error {
	var last time.Time
	looked := func(namespace string, documents, total int64) {
		if now := time.Now(); now.Sub(last) > progressEvery {
			last = now
			c.Note("%s: %d of about %d documents", namespace, documents, total)
		}
	}
	bad, collections, documents := 0, 0, int64(0)
	err := db.CheckEach(ctx, looked, func(r docdb.CheckReport) error {
		collections, documents = collections+1, documents+r.Documents
		verdict := "ok"
		if len(r.Problems) > 0 {
			verdict = fmt.Sprintf("%d problems", len(r.Problems))
			bad += len(r.Problems)
		}
		for _, p := range r.Problems {
			c.Note("%s: %s", r.Namespace, p)
		}
		return c.Print(operator.Row{{Name: "namespace", Value: r.Namespace}, {Name: "documents", Value: r.Documents}, {Name: "indexes", Value: len(r.Keys)}, {Name: "result", Value: verdict}})
	})
	if err != nil {
		return err
	}
	if bad > 0 {
		return fmt.Errorf("%d problems: drop and create the indexes that are named, or restore a backup", bad)
	}
	return c.Note("no problems in %d collections with %d documents", collections, documents)
}

func docdbStats(_ context.Context, db *docdb.DB, c *operator.Call) error {
	s := db.Stats()
	for _, x := range s.Collections {
		if err := c.Print(operator.Row{
			{Name: "namespace", Value: x.Namespace}, {Name: "documents", Value: x.Documents}, {Name: "bytes", Value: x.Bytes},
			{Name: "disk_bytes", Value: x.DiskBytes}, {Name: "indexes", Value: x.Indexes}, {Name: "index_bytes", Value: x.IndexBytes},
		}); err != nil {
			return err
		}
	}
	return c.Note("all files: %d bytes, of these about %d the oplog; cache %d bytes; %d connections, %d cursors, %d sessions",
		s.DiskBytes, s.OplogBytes, s.CacheBytes, s.Connections, s.OpenCursors, s.Sessions)
}

// RestoreDocDB makes the embedded database of a data folder from a backup. No
// server may run on the folder, which must not have a database yet. copied is
// told how far it is; keyless says that the folder has no master.key.
func RestoreDocDB(ctx context.Context, backup, dataDir string, copied func(bytes, total int64)) (keyless bool, err error) {
	if err := docdb.Restore(ctx, backup, filepath.Join(dataDir, "db"), copied); err != nil {
		return false, err
	}
	_, err = os.Stat(filepath.Join(dataDir, "master.key"))
	return errors.Is(err, os.ErrNotExist), nil
}

// OpenStoreOperator is OpenOperator for the commands about the embedded
// database, which need nothing else: no app, no key, no function host.
func OpenStoreOperator(ctx context.Context, c Config) (*operator.Client, error) {
	d, err := openDeployments(ctx, &Config{DataDir: c.DataDir})
	if err != nil {
		return nil, err
	}
	srv := &Server{config: c, deployments: d}
	return operator.Local(operator.Handler(srv.bind(docdbCommands)), func() { d.close(context.WithoutCancel(ctx)) }), nil
}
