package realm_test

import (
	"os/exec"
	"strings"
	"testing"
)

// TestImports: a program that uses the SDK takes in the standard library, the
// driver's bson package with what that stands on, and no other module.
func TestImports(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	if err != nil {
		t.Skipf("go list: %v", err)
	}
	for _, path := range strings.Fields(string(out)) {
		switch {
		case path == "regent/realm", path == "regent/internal/ejson":
		case strings.HasPrefix(path, "go.mongodb.org/mongo-driver/v2/internal/"):
		case path == "go.mongodb.org/mongo-driver/v2/bson", path == "go.mongodb.org/mongo-driver/v2/x/bsonx/bsoncore":
		default:
			t.Errorf("the SDK depends on %s", path)
		}
	}
}
