package realm_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"regent/realm"
)

func TestUsersSurviveARestart(t *testing.T) {
	for name, storage := range map[string]realm.Storage{
		"Memory": realm.MemoryStorage(),
		"File":   realm.FileStorage(filepath.Join(t.TempDir(), "new", "folder", "users.json")),
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t)
			s.on("GET /auth/profile", ok(`{"identities":[{"id":"a","provider_type":"local-userpass"}],"data":{"email":"ada@example.com","n":{"$numberLong":"7"}},"type":"normal"}`))
			app := newApp(t, s.URL, realm.WithStorage(storage))
			eve := logIn(t, app, realm.EmailPassword("eve@example.com", "secret1"))
			ada := logIn(t, app, realm.EmailPassword("ada@example.com", "secret1"))
			if err := eve.LogOut(t.Context()); err != nil {
				t.Fatal(err)
			}
			s.expire()
			if _, err := ada.CallFunction(t.Context(), "f"); err != nil {
				t.Fatal(err)
			}

			again := newApp(t, s.URL, realm.WithStorage(storage))
			users := again.AllUsers()
			if len(users) != 2 || users[0].ID() != ada.ID() || users[1].ID() != eve.ID() || again.CurrentUser() != users[0] {
				t.Fatalf("users %v, current %v", users, again.CurrentUser())
			}
			u := users[0]
			if u.AccessToken() != ada.AccessToken() || u.RefreshToken() != ada.RefreshToken() || u.DeviceID() != device || !u.IsLoggedIn() ||
				u.ProviderType() != realm.ProviderLocalUserPass || u.Type() != realm.UserTypeNormal || u.Profile().Email != "ada@example.com" ||
				u.Profile().Data["n"] != int64(7) || len(u.Identities()) != 1 || u.Identities()[0] != (realm.Identity{ID: "a", ProviderType: realm.ProviderLocalUserPass}) {
				t.Errorf("the user came back different: %+v", u.Profile())
			}
			if users[1].State() != realm.LoggedOut || users[1].RefreshToken() != "" {
				t.Error("the logged-out user came back with a session")
			}
			if _, err := u.CallFunction(t.Context(), "f"); err != nil {
				t.Error(err)
			}
			// The same id on another server is another app: tokens stay at home.
			if elsewhere := newApp(t, newServer(t).URL, realm.WithStorage(storage)); len(elsewhere.AllUsers()) != 0 {
				t.Error("another server's app sees the users")
			}
			// Removal is remembered too.
			if err := again.RemoveUser(t.Context(), u); err != nil {
				t.Fatal(err)
			}
			if left := newApp(t, s.URL, realm.WithStorage(storage)).AllUsers(); len(left) != 1 || left[0].ID() != eve.ID() {
				t.Errorf("after the removal: %v", left)
			}
		})
	}
}

func TestFileStorageMode(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no modes on Windows")
	}
	path := filepath.Join(t.TempDir(), "realm", "users.json")
	// An existing file that others may read does not stay so.
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(`{"version":1}`), 0o644); err != nil {
		t.Fatal(err)
	}
	logIn(t, newApp(t, newServer(t).URL, realm.WithStorage(realm.FileStorage(path))), realm.Anonymous())
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, e.Name())
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %o", e.Name(), info.Mode().Perm())
		}
	}
	if strings.Join(names, " ") != "users.json users.json.lock" {
		t.Errorf("files %v", names)
	}
	fresh := filepath.Join(t.TempDir(), "a", "b", "users.json")
	logIn(t, newApp(t, newServer(t).URL, realm.WithStorage(realm.FileStorage(fresh))), realm.Anonymous())
	if info, err := os.Stat(filepath.Dir(fresh)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("folder: %v %v", info.Mode(), err)
	}
}

func TestFileStorageRefusesWhatItCannotRead(t *testing.T) {
	for name, text := range map[string]string{
		"garbage":            "\x00\x01",
		"cut off":            `{"version":1,"apps":{"x`,
		"of a later version": `{"version":2}`,
		"of no version":      `{}`,
		"empty":              ``,
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "users.json")
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := realm.NewApp(appID, realm.WithStorage(realm.FileStorage(path)))
			if err == nil || !strings.Contains(err.Error(), path) {
				t.Errorf("got %v, want an error that names the file", err)
			}
			if err := realm.FileStorage(path).Update(t.Context(), "k", func(*realm.StoredApp) {}); err == nil {
				t.Error("Update overwrote the file")
			}
			if left, _ := os.ReadFile(path); string(left) != text {
				t.Error("the file was changed")
			}
		})
	}
}

func TestStoredGarbageIsSurvived(t *testing.T) {
	storage := realm.MemoryStorage()
	s := newServer(t)
	err := storage.Update(t.Context(), appID+"@"+s.URL, func(a *realm.StoredApp) {
		a.Current = "nobody"
		a.Users = []realm.StoredUser{
			{}, {ID: "a", State: "Strange"}, {ID: "b", State: realm.LoggedIn},
			{ID: "c", State: realm.LoggedIn, AccessToken: "x", RefreshToken: "y", Profile: []byte(`[`)}, {ID: "c"},
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	app := newApp(t, s.URL, realm.WithStorage(storage))
	if len(app.AllUsers()) != 3 {
		t.Errorf("%d users", len(app.AllUsers()))
	}
	for _, u := range app.AllUsers() {
		if want := u.ID() == "c"; u.IsLoggedIn() != want {
			t.Errorf("user %s: logged in %v", u.ID(), u.IsLoggedIn())
		}
		u.Profile()
		u.CustomData()
		_, _ = u.CallFunction(t.Context(), "f")
	}
	if u := find(app, "c"); u.IsLoggedIn() {
		t.Error("a session that the server does not know is still on")
	}
}

// brokenStorage cannot write.
type brokenStorage struct{ realm.Storage }

var errDisk = errors.New("disk full")

func (brokenStorage) Update(context.Context, string, func(*realm.StoredApp)) error { return errDisk }

func TestStorageFailure(t *testing.T) {
	s := newServer(t)
	app := newApp(t, s.URL, realm.WithStorage(brokenStorage{realm.MemoryStorage()}))
	if _, err := app.LogIn(t.Context(), realm.Anonymous()); !errors.Is(err, errDisk) {
		t.Errorf("got %v, want the storage's error", err)
	}
	user := app.CurrentUser()
	if user == nil {
		t.Fatal("the session was thrown away")
	}
	// A renewal that cannot be saved is no reason for a call to fail.
	s.expire()
	if _, err := user.CallFunction(t.Context(), "f"); err != nil {
		t.Error(err)
	}
	if err := user.LogOut(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("got %v, want the storage's error", err)
	}
	if n := count(s.requests(), "DELETE /auth/session"); n != 1 {
		t.Error("the server was not told")
	}
}

func TestFileStorageLockWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.json")
	holding, release := make(chan struct{}), make(chan struct{})
	done := make(chan error)
	go func() {
		done <- realm.FileStorage(path).Update(context.Background(), "k", func(*realm.StoredApp) { close(holding); <-release })
	}()
	<-holding
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := realm.FileStorage(path).Update(ctx, "k", func(*realm.StoredApp) { t.Error("two at once") }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	close(release)
	if err := <-done; err != nil {
		t.Error(err)
	}
}

const (
	storageProcesses = 3
	storageWrites    = 40
)

// storageProcess is what each process of TestFileStorageTwoProcesses does; with
// the prefix "endless" it is that of TestFileStorageKilled.
func storageProcess(path, prefix string) error {
	storage := realm.FileStorage(path)
	for prefix == "endless" {
		err := storage.Update(context.Background(), "app", func(a *realm.StoredApp) {
			n := len(a.Users)
			a.Users = append(a.Users[:n:n], realm.StoredUser{ID: fmt.Sprint(n), RefreshToken: strings.Repeat("x", 500)})
		})
		if err != nil {
			return err
		}
		if _, err := fmt.Println("written"); err != nil {
			return err
		}
	}
	for i := range storageWrites {
		err := storage.Update(context.Background(), "app", func(a *realm.StoredApp) {
			a.Users = append(a.Users, realm.StoredUser{ID: fmt.Sprintf("%s-%d", prefix, i)})
		})
		if err != nil {
			return err
		}
		if _, err := storage.Load(context.Background(), "app"); err != nil {
			return err
		}
	}
	return nil
}

// TestFileStorageTwoProcesses: processes and goroutines write the same file,
// and nothing is lost or torn.
func TestFileStorageTwoProcesses(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.json")
	var wg sync.WaitGroup
	for i := range storageProcesses {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "REALM_TEST_STORAGE="+path, fmt.Sprintf("REALM_TEST_PREFIX=process%d", i))
		wg.Go(func() {
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v: %s", err, out)
			}
		})
	}
	wg.Go(func() {
		if err := storageProcess(path, "here"); err != nil {
			t.Error(err)
		}
	})
	wg.Wait()
	got, err := realm.FileStorage(path).Load(t.Context(), "app")
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for _, u := range got.Users {
		ids[u.ID] = true
	}
	if want := (storageProcesses + 1) * storageWrites; len(ids) != want {
		t.Errorf("%d users, want %d", len(ids), want)
	}
}

// TestFileStorageKilled: processes that write are killed at any moment. The file
// is whole each time, has every write that was acknowledged, nobody waits for a
// dead process's lock, and nothing is left lying about.
func TestFileStorageKilled(t *testing.T) {
	path := filepath.Join(t.TempDir(), "users.json")
	storage := realm.FileStorage(path)
	acknowledged := 0
	for round := range 25 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "REALM_TEST_STORAGE="+path, "REALM_TEST_PREFIX=endless")
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 1 + round%4 {
			if !lines.Scan() {
				t.Fatal("the process ended by itself")
			}
			acknowledged++
		}
		time.Sleep(time.Duration(round) * 100 * time.Microsecond) // into the next write
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		for lines.Scan() {
			acknowledged++
		}
		_ = cmd.Wait()
		app, err := storage.Load(t.Context(), "app")
		if err != nil {
			t.Fatal(err)
		}
		if n := len(app.Users); n < acknowledged {
			t.Fatalf("round %d: %d users, %d were acknowledged", round, n, acknowledged)
		}
		acknowledged = len(app.Users)
		for i, u := range app.Users {
			if u.ID != fmt.Sprint(i) {
				t.Fatalf("round %d: user %d is %q", round, i, u.ID)
			}
		}
	}
	if err := storage.Update(t.Context(), "app", func(*realm.StoredApp) {}); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
}
