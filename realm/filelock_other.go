//go:build !windows && (!unix || solaris || aix)

package realm

import (
	"errors"
	"os"
)

// tryLock says that this system has no file locks the package knows; users can
// be kept in a [Storage] of the program's own.
func tryLock(*os.File) (bool, error) {
	return false, errors.New("realm: FileStorage is not available on this system")
}
