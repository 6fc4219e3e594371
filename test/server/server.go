// Package server boots the built regent binary for end-to-end tests, on a free
// port and a data folder of its own, and stops it when the test ends.
package server

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	_ "regent" // what the binary is built of: go test must not answer from its cache when it changed
)

// StartTimeout bounds the wait for a server's first answer.
const StartTimeout = 30 * time.Second

// Root is the repository's folder.
func Root() string {
	_, file, _, _ := runtime.Caller(0)
	return filepath.Dir(filepath.Dir(filepath.Dir(file)))
}

var build struct {
	sync.Once
	dir, binary string
	err         error
}

// Binary builds cmd/regent once per test process and returns its path. The
// environment variable REGENT_TEST_BINARY names one that is built already.
func Binary(t testing.TB) string {
	t.Helper()
	build.Do(func() {
		if build.binary = os.Getenv("REGENT_TEST_BINARY"); build.binary != "" {
			return
		}
		if build.dir, build.err = os.MkdirTemp("", "regent-build-"); build.err != nil {
			return
		}
		build.binary = filepath.Join(build.dir, "regent")
		cmd := exec.Command("go", "build", "-o", build.binary, "./cmd/regent")
		cmd.Dir = Root()
		if out, err := cmd.CombinedOutput(); err != nil {
			build.err = fmt.Errorf("go build ./cmd/regent: %v\n%s", err, out)
		}
	})
	if build.err != nil {
		t.Fatal(build.err)
	}
	return build.binary
}

// Main runs a package's tests and removes the built binary afterwards.
func Main(m *testing.M) {
	code := m.Run()
	if build.dir != "" {
		os.RemoveAll(build.dir)
	}
	os.Exit(code)
}

// Server is a running regent.
type Server struct {
	URL  string // origin without a trailing slash
	Data string // data folder
	Args []string

	t    testing.TB
	cmd  *exec.Cmd
	log  *buffer
	done chan struct{}
	err  error
}

// Options configure Start.
type Options struct {
	Dirs []string // app directories; default: examples/todo
	Data string   // default: a new temporary folder
	Args []string // further flags of `regent serve`
	Env  []string // further environment, NAME=value
}

var address = regexp.MustCompile(`https?://[^\s/"]+`)

// Start boots a server and waits for its first answer.
func Start(t testing.TB, o Options) *Server {
	t.Helper()
	if len(o.Dirs) == 0 {
		o.Dirs = []string{filepath.Join(Root(), "examples", "todo")}
	}
	if o.Data == "" {
		o.Data = t.TempDir()
	}
	args := append([]string{"serve", "--listen", "127.0.0.1:0", "--data", o.Data}, o.Args...)
	args = append(args, o.Dirs...)
	s := &Server{Data: o.Data, Args: args, t: t, log: &buffer{}, done: make(chan struct{})}
	s.cmd = exec.Command(Binary(t), args...)
	s.cmd.Env = append(os.Environ(), o.Env...)
	s.cmd.Stderr = s.log
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	found := make(chan string, 1)
	go func() {
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			fmt.Fprintln(s.log, scanner.Text())
			if u := address.FindString(scanner.Text()); u != "" {
				select {
				case found <- u:
				default:
				}
			}
		}
		s.err = s.cmd.Wait()
		close(s.done)
	}()
	t.Cleanup(func() {
		s.Stop()
		if t.Failed() {
			t.Logf("server's output:\n%s", s.Log())
		}
	})
	select {
	case s.URL = <-found:
	case <-s.done:
		t.Fatalf("server ended at once: %v\n%s", s.err, s.Log())
	case <-time.After(StartTimeout):
		t.Fatalf("server printed no address\n%s", s.Log())
	}
	deadline := time.Now().Add(StartTimeout)
	for {
		if r, err := http.Get(s.URL + "/readyz"); err == nil {
			r.Body.Close()
			if r.StatusCode == http.StatusOK {
				return s
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("server did not become ready\n%s", s.Log())
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// Log is what the server has printed so far.
func (s *Server) Log() string { return s.log.String() }

// PID is the server's process id.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Kill ends the server as a power cut would.
func (s *Server) Kill() {
	s.cmd.Process.Kill()
	<-s.done
}

// Stop ends the server as a terminal would, and reports how it went.
func (s *Server) Stop() error {
	select {
	case <-s.done:
		return s.err
	default:
	}
	s.cmd.Process.Signal(syscall.SIGTERM)
	select {
	case <-s.done:
		return s.err
	case <-time.After(20 * time.Second):
		s.cmd.Process.Kill()
		<-s.done
		return errors.New("server did not stop within 20 s of SIGTERM")
	}
}

// Restart starts a server again with the same arguments and data folder.
func (s *Server) Restart(o Options) *Server {
	s.t.Helper()
	o.Data = s.Data
	return Start(s.t, o)
}

// buffer is a bytes.Buffer for several writers.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.ToValidUTF8(b.b.String(), "?")
}
