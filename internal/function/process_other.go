//go:build !unix

package function

import (
	"errors"
	"os/exec"

	"regent/internal/function/wire"
)

var errPlatform = errors.New("functions need a Unix system: function hosts are connected by a socket pair")

func spawn(string, string, int64, int, int, *tail) (*exec.Cmd, *wire.Conn, error) {
	return nil, nil, errPlatform
}

func childConn(int64) (*wire.Conn, error) { return nil, errPlatform }
