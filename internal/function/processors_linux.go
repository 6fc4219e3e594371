package function

import (
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// processorTime is the processor time that a process has used.
func processorTime(pid int) (time.Duration, bool) {
	// The kernel's clock of a process: its number, inverted, and the kind of clock.
	const scheduled = 2
	var t unix.Timespec
	if unix.ClockGettime(int32(^pid)<<3|scheduled, &t) != nil {
		return 0, false
	}
	return time.Duration(t.Nano()), true
}

// lastProcessors are the last n of the processors that this thread may use, 0 for all of them.
func lastProcessors(n int) (set unix.CPUSet, err error) {
	if err = unix.SchedGetaffinity(0, &set); err != nil || n == 0 {
		return set, err
	}
	for cpu := 0; set.Count() > n; cpu++ {
		set.Clear(cpu)
	}
	return set, nil
}

// confine lets a process use the last n processors, 0 for all of them.
func confine(pid, n int) {
	set, err := lastProcessors(n)
	if err != nil {
		return
	}
	// A thread that another one makes meanwhile has that one's processors, so the second time there is none left out.
	for range 2 {
		tasks, _ := os.ReadDir("/proc/" + strconv.Itoa(pid) + "/task")
		for _, t := range tasks {
			if tid, err := strconv.Atoi(t.Name()); err == nil {
				_ = unix.SchedSetaffinity(tid, &set)
			}
		}
	}
}
