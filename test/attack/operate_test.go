package attack

import (
	"os/exec"
	"strings"
	"testing"

	"regent/test/server"
)

func operate(t testing.TB, args ...string) string {
	t.Helper()
	out, err := exec.Command(server.Binary(t), args...).CombinedOutput()
	if err != nil {
		t.Fatalf("regent %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
