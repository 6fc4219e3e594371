package realm_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"
)

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
	goleak.VerifyTestMain(m)
}

func sprintf(format string, args ...any) string { return fmt.Sprintf(format, args...) }
