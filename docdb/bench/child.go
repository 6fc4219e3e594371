package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/docdb"
	"regent/docdb/internal/wire"
)

// child is a server in a process of its own, for the lines over TCP and those about memory: "docdb" with a folder, or "stub". It
// writes its address and how long it took to open, then answers lines: "mem" with the bytes of heap and stacks in use and of resident
// memory, "cpu" with the processor time used so far, "profile FILE" and "stop". It ends with its input.
func child(kind string, args []string) error {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	began := time.Now()
	var closeServer func() error
	switch kind {
	case "docdb":
		db, err := docdb.Open(args[0], docdb.Options{})
		if err != nil {
			return err
		}
		go db.Serve(ln)
		closeServer = db.Close
	case "stub":
		s := &stub{}
		srv := &wire.Server{NewClient: func(net.Addr, net.Addr) wire.Client { return stubClient{s} }}
		go srv.Serve(ln)
		closeServer = func() error { srv.Close(); return nil }
	default:
		return fmt.Errorf("no kind %q", kind)
	}
	fmt.Println(ln.Addr(), time.Since(began).Microseconds())
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		switch cmd, arg, _ := strings.Cut(in.Text(), " "); cmd {
		case "mem":
			debug.FreeOSMemory()
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			fmt.Println(m.HeapAlloc+m.StackInuse, rss(os.Getpid()))
		case "cpu":
			fmt.Println(used().Nanoseconds())
		case "profile":
			f, err := os.Create(arg)
			if err != nil {
				return err
			}
			defer f.Close()
			fmt.Println(pprof.StartCPUProfile(f))
		case "stop":
			pprof.StopCPUProfile()
			fmt.Println("ok")
		}
	}
	return closeServer()
}

// server is a running child.
type server struct {
	cmd    *exec.Cmd
	in     *os.File
	out    *bufio.Scanner
	addr   string
	opened time.Duration
}

func startChild(args ...string) (*server, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	s := &server{cmd: exec.Command(self, append([]string{"child"}, args...)...)}
	s.cmd.Stderr = os.Stderr
	pr, pw, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer pr.Close()
	s.in, s.cmd.Stdin = pw, pr
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, err
	}
	s.out = bufio.NewScanner(out)
	f, err := s.line()
	if err == nil && len(f) != 2 {
		err = errors.New("a child did not say where it is")
	}
	if err != nil {
		s.stop()
		return nil, err
	}
	s.addr = f[0]
	us, _ := strconv.Atoi(f[1])
	s.opened = time.Duration(us) * time.Microsecond
	return s, nil
}

func (s *server) line() ([]string, error) {
	if !s.out.Scan() {
		return nil, errors.New("a child has ended early")
	}
	return strings.Fields(s.out.Text()), nil
}

func (s *server) ask(cmd string) ([]string, error) {
	if _, err := fmt.Fprintln(s.in, cmd); err != nil {
		return nil, err
	}
	return s.line()
}

// memory is what the server has in use (heap and stacks) and what is resident, after a collection.
func (s *server) memory() (used, resident int, err error) {
	f, err := s.ask("mem")
	if err != nil || len(f) != 2 {
		return 0, 0, fmt.Errorf("memory of a child: %v %w", f, err)
	}
	used, _ = strconv.Atoi(f[0])
	resident, _ = strconv.Atoi(f[1])
	return used, resident, nil
}

// measured adds the processor time that operations took in the server to their result.
func (s *server) measured(f func() (result, error)) (result, error) {
	before, err := s.cpu()
	if err != nil {
		return result{}, err
	}
	r, err := f()
	if err != nil {
		return r, err
	}
	after, err := s.cpu()
	r.server = (after - before) / time.Duration(r.ops)
	return r, err
}

func (s *server) cpu() (time.Duration, error) {
	f, err := s.ask("cpu")
	if err != nil || len(f) != 1 {
		return 0, fmt.Errorf("processor time of a child: %v %w", f, err)
	}
	n, err := strconv.ParseInt(f[0], 10, 64)
	return time.Duration(n), err
}

func (s *server) connect(opts ...*options.ClientOptions) (*mongo.Client, error) {
	return mongo.Connect(append([]*options.ClientOptions{options.Client().ApplyURI("mongodb://" + s.addr + "/?directConnection=true")}, opts...)...)
}

func (s *server) stop() error {
	s.in.Close()
	return s.cmd.Wait()
}

// measure runs f while the child profiles itself, if a profile was asked for.
func (s *server) profiled(c *config, f func() error) error {
	if c.cpu == "" {
		return f()
	}
	if _, err := s.ask("profile " + c.cpu); err != nil {
		return err
	}
	err := f()
	if _, e := s.ask("stop"); err == nil {
		err = e
	}
	return err
}

// rss is a process's resident memory in bytes.
func rss(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	for l := range strings.Lines(string(b)) {
		if f := strings.Fields(l); len(f) > 1 && f[0] == "VmRSS:" {
			kb, _ := strconv.Atoi(f[1])
			return kb << 10
		}
	}
	return 0
}

// disconnect ends clients whose outcome no longer matters.
func disconnect(clients ...*mongo.Client) {
	for _, c := range clients {
		c.Disconnect(context.Background())
	}
}
