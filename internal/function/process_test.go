//go:build linux

package function

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"regent/internal/caller"
)

// TestHostProcess looks at a running host from outside: what it was given, what
// it has open, and what the operating system allows it.
func TestHostProcess(t *testing.T) {
	t.Setenv("REGENT_SECRET_apiKey", "must not be seen")
	// A descriptor that is inherited, as whoever started the server may have left.
	var leak [2]int
	if err := syscall.Pipe(leak[:]); err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(leak[0])
	defer syscall.Close(leak[1])
	r := mustStart(t, Config{Hosts: 1, Limits: Limits{HostMemory: 700 << 20}})
	d := mustDeploy(t, r, nil, map[string]string{"f": `exports = () => 1`})
	if _, err := d.Call(context.Background(), caller.Caller{}, "f", nil); err != nil {
		t.Fatal(err)
	}
	pid := hostPID(r)
	read := func(name string) string {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if env := read("environ"); env != "" {
		t.Errorf("environment: %q", env)
	}
	if args := strings.Split(strings.TrimRight(read("cmdline"), "\x00"), "\x00"); len(args) != 3 || args[1] != hostArgument {
		t.Errorf("arguments: %q", args)
	}
	if cwd, _ := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid)); cwd != "/" {
		t.Errorf("working directory: %s", cwd)
	}
	fds, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	if err != nil {
		t.Fatal(err)
	}
	sockets := 0
	for _, fd := range fds {
		target, _ := os.Readlink(fmt.Sprintf("/proc/%d/fd/%s", pid, fd.Name()))
		switch {
		case target == "/dev/null", fd.Name() == "2", target == "": // its dying words go to the server
		case strings.HasPrefix(target, "anon_inode:"), strings.HasPrefix(target, "/sys/fs/cgroup/"): // Go's own
		case strings.HasPrefix(target, "socket:"):
			sockets++
		default:
			t.Errorf("descriptor %s is %s", fd.Name(), target)
		}
	}
	if sockets != 1 {
		t.Errorf("%d sockets are open, want the connection to the server alone", sockets)
	}
	limits := read("limits")
	for _, want := range []string{fmt.Sprintf("Max data size %d %d bytes", 700<<20, 700<<20), "Max core file size 0 0 bytes"} {
		if !strings.Contains(strings.Join(strings.Fields(limits), " "), want) {
			t.Errorf("limits lack %q:\n%s", want, limits)
		}
	}
	ours := niceOf(t, "/proc/self/stat")
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", pid))
	for _, file := range threads {
		if theirs := niceOf(t, file); theirs < min(ours+sharedNiceness, 19) {
			t.Errorf("a thread's nice value is %d, ours %d", theirs, ours)
		}
	}
	if len(threads) == 0 {
		t.Error("no threads")
	}
	if sid, err := unix.Getsid(pid); err != nil || sid != pid {
		t.Errorf("the host is in the session %d (%v), want one of its own", sid, err)
	}
	for range 100 { // ten a second are taken by the kernel
		if group, err := os.ReadFile(fmt.Sprintf("/proc/%d/autogroup", pid)); err != nil || strings.HasSuffix(string(group), fmt.Sprintf(" nice %d\n", min(ours+sharedNiceness, 19)-sessionEase)) {
			break
		}
		time.Sleep(50 * time.Millisecond)
	}
	if group, err := os.ReadFile(fmt.Sprintf("/proc/%d/autogroup", pid)); err == nil && !strings.HasSuffix(string(group), fmt.Sprintf(" nice %d\n", min(ours+sharedNiceness, 19)-sessionEase)) {
		t.Errorf("the host's session: %s", group)
	}
	for _, file := range threads {
		tid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if attr, err := unix.SchedGetAttr(tid, 0); err == nil && attr.Runtime != 0 && attr.Runtime != uint64(hostSlice) {
			t.Errorf("thread %d has the slice %d, want %s", tid, attr.Runtime, hostSlice)
		}
	}
}

// hostPID is the process of the first host.
func hostPID(r *Runtime) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.hosts[0].cmd.Process.Pid
}

// niceOf reads the nice value from the stat file of a process or thread.
func niceOf(t *testing.T, file string) int {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
	var nice int
	fmt.Sscan(fields[16], &nice)
	return nice
}

// TestHostsByCores checks that there is one host for each core unless told
// otherwise, and that one that was killed is replaced before anybody asks.
func TestHostsByCores(t *testing.T) {
	r, err := Start(Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	alive := func() (pids []int) {
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, h := range r.hosts {
			if _, ok := h.running(); ok {
				pids = append(pids, h.cmd.Process.Pid)
			}
		}
		return pids
	}
	wait := func(what string, ok func([]int) bool) {
		t.Helper()
		for range 1000 {
			if ok(alive()) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("%s: %v are alive", what, alive())
	}
	wait("start", func(p []int) bool { return len(p) == runtime.NumCPU() })
	victim := hostPID(r)
	if err := syscall.Kill(victim, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	wait("replacement", func(p []int) bool {
		for _, pid := range p {
			if pid == victim {
				return false
			}
		}
		return len(p) == runtime.NumCPU()
	})
}

// TestHostsEndWithServer checks that hosts do not outlive a server that is
// killed.
func TestHostsEndWithServer(t *testing.T) {
	if os.Getenv("REGENT_TEST_SERVER") != "" {
		r := mustStart(t, Config{Hosts: 1})
		d := mustDeploy(t, r, nil, map[string]string{"f": `exports = () => { for (;;); }`})
		go d.Call(context.Background(), caller.Caller{}, "f", nil)
		time.Sleep(300 * time.Millisecond)
		fmt.Println("host", hostPID(r))
		select {}
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(exe, "-test.run", "^TestHostsEndWithServer$")
	cmd.Env = append(os.Environ(), "REGENT_TEST_SERVER=1")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Fscanf(out, "host %d\n", &pid); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	for range 1000 {
		if _, err := os.Stat(filepath.Join("/proc", fmt.Sprint(pid))); os.IsNotExist(err) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	_ = syscall.Kill(pid, syscall.SIGKILL)
	t.Errorf("host %d lives on", pid)
}
