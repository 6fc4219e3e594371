package e2e

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"regent/test/server"
)

// TestSharedDeployment stands two servers on one deployment, reached over TCP
// as a MongoDB deployment would be: the embedded database of a third. Both serve
// the same users, sessions and documents, and what one revokes the other refuses.
func TestSharedDeployment(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	store := server.Start(t, server.Options{Args: []string{"--docdb-listen", addr}})
	uri := "mongodb://" + addr + "/?directConnection=true"
	key := filepath.Join(store.Data, "master.key")
	shared := server.Options{Args: []string{"--mongodb", uri, "--master-key", key}}
	one, two := server.Start(t, shared), server.Start(t, shared)
	n1, n2 := native{t, one.URL}, native{t, two.URL}

	fields := registered(n1)
	user := n2.login("local-userpass", fields)
	insert := fmt.Sprintf(`{"arguments":[{"database":"todo","collection":"items","document":{"owner_id":%q,"text":"shared","done":false}}],"name":"insertOne","service":"mongodb-atlas"}`, user["user_id"])
	if a := n1.send("POST", appPath+"/functions/call", user["access_token"], insert); a.status != 200 {
		t.Fatalf("insert: %d %s", a.status, a.body)
	}
	if a := n2.send("POST", appPath+"/functions/call", user["access_token"], `{"name":"summary","arguments":[]}`); !strings.Contains(a.body, `"open":{"$numberInt":"1"}`) {
		t.Errorf("the other server's documents: %s", a.body)
	}
	if a := n1.send("DELETE", apiPath+"/auth/session", user["refresh_token"], ""); a.status != 204 {
		t.Fatalf("logout: %d %s", a.status, a.body)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		a := n2.send("GET", apiPath+"/auth/profile", user["access_token"], "")
		if a.status == 401 && strings.Contains(a.body, "InvalidSession") {
			break
		}
		if time.Since(began) > 5*time.Second {
			t.Fatalf("a session that was ended elsewhere lives on: %d %s", a.status, a.body)
		}
	}
	// Operators' commands without a server in between.
	out := regent(t, "users", "list", "--data", t.TempDir(), "--mongodb", uri, "--master-key", key)
	mustContain(t, "users list", out, user["user_id"])
}
