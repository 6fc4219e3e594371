package rules

import (
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"regent/test/server"
)

// watchAttacks holds open streams while what their users may see changes.
func watchAttacks(t *testing.T, engine string) {
	w := start(t, engine, "watch", func(w *world) {
		w.Configure("rules", "c", `{"roles": [{"name": "team", "apply_when": {"team": "%%user.custom_data.team"}, "read": true, "write": true}]}`)
		w.Configure("settings", "", `{"watch_heartbeat": "1s"}`)
		w.User("u1", `{"team": "red"}`)
	})
	teamOf := func(e event) string {
		return w.parse(e.data).Lookup("fullDocument", "team").StringValue()
	}

	t.Run("sessions", func(t *testing.T) { endedSessions(t, engine) })
	t.Run("slow clients", func(t *testing.T) { slowClient(t, engine) })
	t.Run("a role that changes takes effect", func(t *testing.T) {
		w.TB = t
		if refused := w.Watch("u1", "c", "{}"); refused != "" {
			t.Fatal(refused)
		}
		s := w.streams["u1 c"]
		w.Have("c", `{"team": "red"}`)
		if e, err := s.next(30 * time.Second); err != nil || teamOf(e) != "red" {
			t.Fatal(e, err)
		}
		w.setData("u1", `{"team": "blue"}`)
		// Within some seconds the stream tells blue, and from then on no red any more.
		blue := false
		for deadline := time.Now().Add(time.Minute); !blue; {
			if time.Now().After(deadline) {
				t.Fatal("the change never took effect")
			}
			w.Have("c", `{"team": "red"}`)
			w.Have("c", `{"team": "blue"}`)
			e, err := s.next(30 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			blue = teamOf(e) == "blue"
		}
		w.Have("c", `{"team": "red"}`)
		w.Have("c", `{"team": "blue", "last": true}`)
		for {
			e, err := s.next(30 * time.Second)
			if err != nil {
				t.Fatal(err)
			}
			if teamOf(e) != "blue" {
				t.Fatalf("a document of the other team is told: %s", e.data)
			}
			if strings.Contains(e.data, `"last"`) {
				break
			}
		}
	})
}

// operate runs an operator's command beside the running server.
func (w *world) operate(args ...string) {
	w.Helper()
	if out, err := exec.Command(server.Binary(w), append(args, "--app", w.id, "--data", w.server.Data)...).CombinedOutput(); err != nil {
		w.Fatalf("regent %v: %v\n%s", args, err, out)
	}
}

// endedSessions ends the sessions of open streams in every way there is. A stream
// outlives its access token and ends with its session (client-api.md §1.18,
// rules-attacks.md 7): with an error event of the code that requests then get, and
// the client cannot come back.
func endedSessions(t *testing.T, engine string) {
	// E-mail users' sessions end after 8 s without use, those of anonymous users never.
	short, long := newWorld(t, "short"), newWorld(t, "long")
	short.email = true
	short.file("auth/providers.json", `{"local-userpass": {"name": "local-userpass", "type": "local-userpass", "disabled": false, "config": {"autoConfirm": true}}}`)
	short.args = []string{"--access-token-ttl", "3s", "--refresh-token-ttl", "8s"}
	for _, w := range []*world{short, long} {
		w.Configure("rules", "c", everybody)
		w.Configure("settings", "", `{"watch_heartbeat": "1s"}`)
	}
	serve(t, engine, short, long)

	open := func(t *testing.T, w *world, name string) *stream {
		t.Helper()
		w.TB = t
		for {
			s, refused := w.open(name, "c", "{}", "")
			if refused == "" {
				t.Cleanup(s.close)
				return s
			}
			// The machine was too busy for a token of three seconds.
			if !strings.Contains(refused, "InvalidSession") {
				t.Fatal(refused)
			}
			w.logIn(name)
		}
	}
	// ends reads the stream to its end.
	ends := func(t *testing.T, w *world, name string, s *stream, code string) {
		t.Helper()
		e, err := s.next(time.Minute)
		if err != nil || e.name != "error" || !strings.Contains(e.data, `"error_code":"`+code+`"`) || !strings.Contains(e.data, `"error":"`) {
			t.Fatalf("%+v, %v; want an error event with %s", e, err, code)
		}
		if e, err = s.next(time.Minute); err != errEnded {
			t.Errorf("the stream goes on: %+v, %v", e, err)
		}
		if _, refused := w.open(name, "c", "{}", e.id); !strings.Contains(refused, "401)") {
			t.Errorf("a dead session opens a stream: %s", refused)
		}
	}

	expiring := open(t, short, "u1")
	var streams []*stream
	for _, name := range []string{"u1", "u2", "u3", "u4"} {
		streams = append(streams, open(t, long, name))
	}
	t.Run("outlive the access token", func(t *testing.T) {
		long.TB = t
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
			if _, status := long.send("GET", "/auth/profile", long.user("u1").access, ""); status == 401 {
				break
			} else if time.Now().After(deadline) {
				t.Fatal("the access token does not expire")
			}
		}
		long.Have("c", `{"_id": 1}`)
		for _, s := range streams {
			if e, err := s.next(time.Minute); err != nil || e.name != "message" || !strings.Contains(e.data, `"insert"`) {
				t.Fatalf("%+v, %v", e, err)
			}
		}
	})
	for i, x := range []struct {
		name, code string
		end        func()
	}{
		{"u1", "InvalidSession", func() {
			if text, status := long.send("DELETE", "/auth/session", long.user("u1").refresh, ""); status != 204 {
				long.Fatal(status, text)
			}
		}},
		{"u2", "UserDisabled", func() { long.operate("users", "disable", long.user("u2").id) }},
		{"u3", "InvalidSession", func() { long.operate("users", "logout", long.user("u3").id) }},
		{"u4", "InvalidSession", func() { long.operate("users", "delete", long.user("u4").id) }},
	} {
		t.Run([]string{"logged out", "user disabled", "revoked", "user deleted"}[i], func(t *testing.T) {
			long.TB = t
			x.end()
			ends(t, long, x.name, streams[i], x.code)
		})
	}
	t.Run("expired", func(t *testing.T) {
		short.TB = t
		ends(t, short, "u1", expiring, "InvalidSession")
	})
	t.Run("an event does not come before the end", func(t *testing.T) {
		long.TB = t
		s := open(t, long, "u5")
		long.operate("users", "disable", long.user("u5").id)
		long.Have("c", `{"_id": 2}`)
		ends(t, long, "u5", s, "UserDisabled")
	})
}

// slowClient leaves a stream unread while much happens. What waits for it in the
// server is bounded, it is disconnected with an error event, and a stream that
// resumes tells the rest without a gap.
func slowClient(t *testing.T, engine string) {
	const maxEvents, maxBytes = 20, 4 << 20
	w := start(t, engine, "behind", func(w *world) {
		w.Configure("rules", "c", everybody)
		w.Configure("settings", "", `{"watch_heartbeat": "1s", "watch_buffer_events": 20, "watch_buffer_size": "4MB"}`)
		w.args = []string{"--metrics", "127.0.0.1:0"}
	})
	gauge := func(name string) int64 {
		t.Helper()
		_, rest, _ := strings.Cut(w.server.Log(), "msg=metrics address=")
		address, _, _ := strings.Cut(rest, "\n")
		res, err := http.Get(address)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		text, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		_, value, ok := strings.Cut(string(text), "\n"+name+`{app="`+w.id+`"} `)
		value, _, _ = strings.Cut(value, "\n")
		n, err := strconv.ParseFloat(value, 64)
		if !ok || err != nil {
			t.Fatalf("no %s in\n%s", name, text)
		}
		return int64(n)
	}
	for name, pad := range map[string]int{"many events": 100 << 10, "many bytes": 1 << 20} {
		t.Run(name, func(t *testing.T) {
			w.TB = t
			w.Drop("c")
			s, refused := w.open("u1", "c", "{}", "")
			if refused != "" {
				t.Fatal(refused)
			}
			defer s.close()
			// Nobody reads: the events fill the connection's buffers, then the queue.
			text := strings.Repeat("x", pad)
			sent, most := 0, int64(0)
			for ; sent < (40<<20)/pad; sent++ {
				w.Have("c", fmt.Sprintf(`{"_id": %d, "pad": %q}`, sent, text))
				events, bytes := gauge("regent_watch_waiting_events"), gauge("regent_watch_waiting_bytes")
				if events > maxEvents || bytes > maxBytes {
					t.Fatalf("%d events of %d bytes wait", events, bytes)
				}
				most = max(most, events)
			}
			if most == 0 {
				t.Error("nothing ever waited: the client was not slow")
			}
			// The stream tells what waited and why it ends. Resumed as often as it takes,
			// it tells everything once, in order.
			next, last, ends := 0, "", 0
			for next < sent {
				e, err := s.next(time.Minute)
				switch {
				case err != nil:
					t.Fatalf("after %d of %d events: %v without an error event", next, sent, err)
				case e.name == "error":
					if ends++; !strings.Contains(e.data, "watch_buffer_events") || !strings.Contains(e.data, "can be resumed") || !strings.Contains(e.data, `"error_code":"MongoDBError"`) {
						t.Fatal(e.data)
					}
					if _, err := s.next(time.Minute); err != errEnded {
						t.Fatal("the stream goes on after its error")
					}
					if s, refused = w.open("u1", "c", "{}", last); refused != "" {
						t.Fatal(refused)
					}
					defer s.close()
				case !strings.Contains(e.data, fmt.Sprintf(`"documentKey":{"_id":{"$numberInt":"%d"}}`, next)):
					t.Fatalf("after %d events comes %.300s", next, e.data)
				default:
					next, last = next+1, e.id
				}
			}
			if ends == 0 {
				t.Error("the slow stream never ended")
			}
			s.close()
			for deadline := time.Now().Add(time.Minute); gauge("regent_watch_streams")+gauge("regent_watch_waiting_events")+gauge("regent_watch_waiting_bytes") > 0; time.Sleep(20 * time.Millisecond) {
				if time.Now().After(deadline) {
					t.Fatal("closed streams are still held")
				}
			}
		})
	}
}
