//go:build unix && !linux

package function

import (
	"os/exec"
	"syscall"
)

// startLowly starts a child, which lowers its own priority.
func startLowly(cmd *exec.Cmd, _, _ int) error { return cmd.Start() }

// giveWay makes the process give way to the server.
func giveWay() {
	now, err := syscall.Getpriority(syscall.PRIO_PROCESS, 0)
	if err != nil {
		return
	}
	_ = syscall.Setpriority(syscall.PRIO_PROCESS, 0, min(now+sharedNiceness, 20))
}
