package realm_test

import (
	"fmt"
	"net/http"
	"os"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

// exampleServer is started by the first example that runs.
var exampleServer = sync.OnceValue(newExampleServer)

// address is where the examples' server listens.
func address() string { return exampleServer().URL }

// TestMain ends with a check that no goroutine is left, and is also the other
// process of TestFileStorageTwoProcesses.
func TestMain(m *testing.M) {
	if path := os.Getenv("REALM_TEST_STORAGE"); path != "" {
		if err := storageProcess(path, os.Getenv("REALM_TEST_PREFIX")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(closing{m})
}

// closing runs the tests and stops the examples' server before goroutines are
// counted.
type closing struct{ *testing.M }

func (c closing) Run() int {
	code := c.M.Run()
	exampleServer().CloseClientConnections()
	exampleServer().Close()
	http.DefaultClient.CloseIdleConnections()
	return code
}

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }
