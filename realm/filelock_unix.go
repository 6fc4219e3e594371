//go:build unix && !solaris && !aix

package realm

import (
	"errors"
	"os"
	"syscall"
)

// tryLock takes the exclusive lock of the open file, if nobody holds it.
func tryLock(file *os.File) (bool, error) {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	switch {
	case err == nil:
		return true, nil
	case errors.Is(err, syscall.EWOULDBLOCK), errors.Is(err, syscall.EINTR):
		return false, nil
	default:
		return false, err
	}
}
