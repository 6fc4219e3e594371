package auth_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"regent/internal/auth"
	"regent/internal/fault"
	"regent/internal/session"
)

// The bcrypt hash is that of the password "U*U*U*".
const usersFromElsewhere = `{"_id": "650000000000000000000001", "type": "normal", "creation_date": 1700000000, "last_authentication_date": 1700000100, "disabled": false, "data": {"email": "ann@x.org"}, "identities": [{"id": "650000000000000000000a01", "provider_type": "local-userpass", "provider_id": "640000000000000000000000", "provider_data": {"email": "ann@x.org"}, "password_hash": "$2a$05$AIGtgAqy8Ld6vM27aN31E.tBCBtD7oCcZfE0geBzjmtMc6xDzwJou"}, {"id": "g-1", "provider_type": "oauth2-google", "provider_data": {"name": "Ann"}}]}

{"_id": "650000000000000000000002", "type": "normal", "creation_date": 1700000000, "disabled": true, "data": {}, "identities": [{"id": "650000000000000000000b02-abcdefghijklmnopqrstuvwx", "provider_type": "anon-user"}]}
{"_id": "650000000000000000000003", "identities": [{"id": "650000000000000000000a03", "provider_type": "local-userpass", "provider_data": {"email": "nohash@x.org"}}]}
{"id": "650000000000000000000004", "email": "plain@x.org", "password_hash": "$pbkdf2-sha256$6400$.6UI/S.nXIk8jcbdHx3Fhg$98jZicV16ODfEsEZeYPGHU3kbrUrvUEXOPimVSQDD44", "data": {"name": "Plain"}}
{"email": "noid@x.org", "password_hash": "$2a$05$AIGtgAqy8Ld6vM27aN31E.tBCBtD7oCcZfE0geBzjmtMc6xDzwJou"}
{"email": "wait@x.org", "confirmed": false}
`

func importing(t *testing.T, w *world, text string) (auth.ImportReport, map[int]string) {
	t.Helper()
	refusals := map[int]string{}
	r, err := w.Import(t.Context(), strings.NewReader(text), auth.ImportOptions{Refused: func(line int, reason error) { refusals[line] = reason.Error() }})
	if err != nil {
		t.Fatal(err)
	}
	return r, refusals
}

// prefix makes ids of one test other than another's: they share a database.
func prefix(text, with string) string { return strings.ReplaceAll(text, `"65000000`, `"`+with) }

func TestImport(t *testing.T) {
	w := newWorld(t, everything())
	text := prefix(usersFromElsewhere, "65000001")
	report, refusals := importing(t, w, text)
	if report != (auth.ImportReport{Lines: 7, Created: 6}) {
		t.Errorf("%+v %v", report, refusals)
	}
	users, err := w.Users(t.Context(), auth.UserFilter{})
	if err != nil || len(users) != 5 {
		t.Fatalf("%d users, %v", len(users), err)
	}
	ann, err := w.ShowUser(t.Context(), "650000010000000000000001")
	if err != nil || ann.Created.Unix() != 1700000000 || ann.LastLogin.Unix() != 1700000100 || len(ann.Identities) != 2 || ann.Data.String() != `{"email": "ann@x.org","name": "Ann"}` {
		t.Errorf("%+v %v", ann, err)
	}
	if tok := w.login("local-userpass", userpass("ann@x.org", "U*U*U*")); tok.UserID != ann.ID {
		t.Errorf("ann is %s now", tok.UserID)
	}
	// The hash was renewed; the password still works.
	w.login("local-userpass", userpass("ann@x.org", "U*U*U*"))
	var out bytes.Buffer
	if _, err := w.Export(t.Context(), &out); err != nil || strings.Count(out.String(), "$2a$05$AIG") != 1 || !strings.Contains(out.String(), "$argon2id$") {
		t.Errorf("export after log-ins: %v %s", err, out.String())
	}
	if tok := w.login("local-userpass", userpass("plain@x.org", "password")); tok.UserID != "650000010000000000000004" {
		t.Errorf("plain is %s now", tok.UserID)
	}
	w.login("local-userpass", userpass("noid@x.org", "U*U*U*"))
	_, err = w.Login(t.Context(), "local-userpass", doc(userpass("nohash@x.org", "anything")), nil)
	refused(t, err, 401, fault.InvalidPassword, "unauthorized")
	_, err = w.Login(t.Context(), "local-userpass", doc(userpass("nohash@x.org", "")), nil)
	refused(t, err, 401, fault.InvalidPassword, "unauthorized")

	t.Run("Again", func(t *testing.T) {
		report, refusals := importing(t, w, text)
		if report != (auth.ImportReport{Lines: 7, Unchanged: 6}) {
			t.Errorf("%+v %v", report, refusals)
		}
	})
	t.Run("ErrTaken", func(t *testing.T) {
		_, refusals := importing(t, w, strings.Join([]string{
			`{"id": "650000010000000000000021", "email": "ann@x.org"}`,
			`{"_id": "650000010000000000000022", "identities": [{"id": "g-1", "provider_type": "oauth2-google"}]}`,
			`{"_id": "650000010000000000000023", "identities": [{"id": "650000010000000000000a23", "provider_type": "local-userpass", "provider_data": {"email": "fine@x.org"}}]}`,
			`{"_id": "650000010000000000000024", "identities": [{"id": "650000010000000000000a24", "provider_type": "local-userpass", "provider_data": {"email": "half@x.org"}}, {"id": "g-1", "provider_type": "oauth2-google"}]}`,
		}, "\n"))
		want := map[int]string{1: "the e-mail address belongs to another account", 2: "one of its identities belongs to another user", 4: "one of its identities belongs to another user"}
		if d := cmp.Diff(want, refusals); d != "" {
			t.Error(d)
		}
		// Nothing of a refused user remains.
		w.register("half@x.org", "secret1")
		if _, err := w.ShowUser(t.Context(), "650000010000000000000021"); err == nil {
			t.Error("half a user was written")
		}
		if _, err := w.ShowUser(t.Context(), "650000010000000000000023"); err != nil {
			t.Error(err)
		}
	})
	t.Run("ErrOtherApp", func(t *testing.T) {
		other := newWorld(t, everything())
		_, refusals := importing(t, other, `{"_id": "650000010000000000000002", "identities": [{"id": "x", "provider_type": "anon-user"}]}`)
		if !strings.Contains(refusals[1], "another app") {
			t.Errorf("%v", refusals)
		}
	})
}

func TestImportRefusals(t *testing.T) {
	text, err := os.ReadFile("testdata/import.txt")
	if err != nil {
		t.Fatal(err)
	}
	w := newWorld(t, everything())
	for line := range strings.SplitSeq(string(text), "\n") {
		if line == "" || line[0] == '#' {
			continue
		}
		input, reason, _ := strings.Cut(line, " | ")
		report, refusals := importing(t, w, input)
		if report.Refused != 1 || !strings.Contains(refusals[1], reason) {
			t.Errorf("%s: %+v %v", input, report, refusals)
		}
	}
	if n, err := w.CountUsers(t.Context()); n != 0 || err != nil {
		t.Errorf("%d users, %v", n, err)
	}
	report, refusals := importing(t, w, strings.Repeat("x", 3<<20)+"\n"+`{"email": "after@x.org"}`)
	if report.Created != 1 || !strings.Contains(refusals[1], "more than") {
		t.Errorf("a line without end: %+v %v", report, refusals)
	}
}

// What is exported can be imported elsewhere, and is the same there.
func TestExportRoundTrip(t *testing.T) {
	w := newWorld(t, everything())
	importing(t, w, prefix(usersFromElsewhere, "65000002"))
	ann := w.login("local-userpass", userpass("ann@x.org", "U*U*U*"))
	key, err := w.CreateAPIKey(t.Context(), ann.RefreshToken, "k")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "users.jsonl")
	n, err := w.ExportFile(t.Context(), path)
	if err != nil || n != 6 {
		t.Fatal(n, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
	if _, err := w.ExportFile(t.Context(), path); err == nil {
		t.Error("a file was overwritten")
	}
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	users, err := w.Users(t.Context(), auth.UserFilter{})
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range users {
		if err := w.RemoveUser(t.Context(), u.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.DeletePending(t.Context(), "wait@x.org"); err != nil {
		t.Fatal(err)
	}
	report, refusals := importing(t, w, string(first))
	if report.Created != 6 {
		t.Fatalf("%+v %v", report, refusals)
	}
	var second bytes.Buffer
	if _, err := w.Export(t.Context(), &second); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(strings.Split(string(first), "\n"), strings.Split(second.String(), "\n")); d != "" {
		t.Error(d)
	}
	if tok := w.login("api-key", `{"key": "`+key.Key+`"}`); tok.UserID != ann.UserID {
		t.Error("the API key moved to somebody else")
	}
	if tok := w.login("local-userpass", userpass("ann@x.org", "U*U*U*")); tok.UserID != ann.UserID {
		t.Error("ann is somebody else")
	}
}

// On another deployment an export is the same text again, but for the ids of the
// app's providers.
func TestExportElsewhere(t *testing.T) {
	w := newWorld(t, everything())
	importing(t, w, prefix(usersFromElsewhere, "65000003"))
	ann := w.login("local-userpass", userpass("ann@x.org", "U*U*U*"))
	if _, err := w.CreateAPIKey(t.Context(), ann.RefreshToken, "k"); err != nil {
		t.Fatal(err)
	}
	w.login("anon-user", `{}`)
	db := shared.client.Database("elsewhere")
	sessions, err := session.Open(t.Context(), session.Config{DB: db, Master: shared.master, Logger: quiet()})
	must(err)
	t.Cleanup(sessions.Close)
	other := newWorld(t, everything(), func(c *auth.Config) { c.DB, c.Sessions = db, sessions })
	var first, second bytes.Buffer
	n, err := w.Export(t.Context(), &first)
	must(err)
	if report, refusals := importing(t, other, first.String()); report.Created != n {
		t.Fatalf("%+v of %d, %v", report, n, refusals)
	}
	_, err = other.Export(t.Context(), &second)
	must(err)
	providerID := regexp.MustCompile(`"provider_id":"[0-9a-f]{24}"`)
	plain := func(b bytes.Buffer) []string { return strings.Split(providerID.ReplaceAllString(b.String(), ""), "\n") }
	if d := cmp.Diff(plain(first), plain(second)); d != "" {
		t.Error(d)
	}
}

// Many users go through batches.
func TestImportMany(t *testing.T) {
	w := newWorld(t, everything())
	r, wr := io.Pipe()
	go func() {
		for i := range 1050 {
			fmt.Fprintf(wr, `{"email": "u%d@x.org"}`+"\n", i)
		}
		wr.Close()
	}()
	calls := 0
	report, err := w.Import(t.Context(), r, auth.ImportOptions{Progress: func(auth.ImportReport) { calls++ }})
	if err != nil || report.Created != 1050 || calls != 11 {
		t.Errorf("%+v %d %v", report, calls, err)
	}
}

func TestFirstLoginSetsPassword(t *testing.T) {
	w := newWorld(t, everything(), func(c *auth.Config) { c.App.Settings.FirstLoginSetsPassword = true })
	importing(t, w, `{"email": "a@x.org"}`)
	login := func(pass string) error {
		_, err := w.Login(t.Context(), "local-userpass", doc(userpass("a@x.org", pass)), nil)
		return err
	}
	refused(t, login("short"), 401, fault.InvalidPassword, "")
	if err := login("secret1"); err != nil {
		t.Fatal(err)
	}
	refused(t, login("secret2"), 401, fault.InvalidPassword, "")
	if err := login("secret1"); err != nil {
		t.Error(err)
	}
}
