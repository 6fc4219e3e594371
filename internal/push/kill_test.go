package push_test

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/docdb"
	"regent/internal/app"
	"regent/internal/push"
	"regent/internal/push/pushtest"
	"regent/internal/session"
)

// killDevices is the number of devices of TestKill.
const killDevices = 10_000

// TestKill sends one message to 10,000 devices from a process that is killed
// in the middle, and from its successor: every device gets it, and twice only
// those whose answer the killed process had no time to note.
func TestKill(t *testing.T) {
	if testing.Short() {
		t.Skip("takes some seconds")
	}
	fcm := pushtest.NewFCM()
	defer fcm.Close()
	fcm.SetDelay(time.Millisecond)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "account.json"), []byte(fcm.ServiceAccount()), 0o600); err != nil {
		t.Fatal(err)
	}
	run := func(skip time.Duration) (*exec.Cmd, *bufio.Scanner) {
		c := exec.Command(os.Args[0])
		c.Env = append(os.Environ(), "REGENT_PUSH_CHILD="+dir, "REGENT_PUSH_FCM="+fcm.URL, "REGENT_PUSH_SKIP="+skip.String())
		c.Stderr = os.Stderr
		out, err := c.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Process.Kill() })
		return c, bufio.NewScanner(out)
	}
	first, out := run(0)
	if !out.Scan() || out.Text() != "sending" {
		t.Fatalf("the child says %q", out.Text())
	}
	for deadline := time.Now().Add(3 * time.Minute); len(fcm.Received()) < killDevices/3; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d messages", len(fcm.Received()))
		}
	}
	first.Process.Kill()
	first.Wait()
	atKill := len(fcm.Received())

	// Its leases have ended when the second begins.
	second, out := run(2 * time.Minute)
	var said []string
	for out.Scan() {
		said = append(said, out.Text())
	}
	if err := second.Wait(); err != nil {
		t.Fatal(err)
	}
	times := map[string]int{}
	for _, r := range fcm.Received() {
		times[r.Token]++
	}
	twice := 0
	for _, n := range times {
		if n > 1 {
			twice++
		}
		if n > 2 {
			t.Errorf("%d times to one device", n)
		}
	}
	if len(times) != killDevices {
		t.Errorf("%d devices of %d", len(times), killDevices)
	}
	// Requests under way, results that wait for their note, and the note under way.
	if twice > 64+64+64 {
		t.Errorf("%d devices got it twice", twice)
	}
	if _, _, problems := fcm.Stats(); problems != nil {
		t.Error(problems[0])
	}
	t.Logf("killed after %d messages; %d devices got it twice; %s", atKill, twice, strings.Join(said, ", "))
}

// killChild is the process of TestKill.
func killChild(dir string) error {
	ctx := context.Background()
	skip, err := time.ParseDuration(os.Getenv("REGENT_PUSH_SKIP"))
	if err != nil {
		return err
	}
	account, err := os.ReadFile(filepath.Join(dir, "account.json"))
	if err != nil {
		return err
	}
	db, err := docdb.Open(filepath.Join(dir, "db"), docdb.Options{})
	if err != nil {
		return err
	}
	defer db.Close()
	client, err := mongo.Connect(db.ClientOptions())
	if err != nil {
		return err
	}
	defer client.Disconnect(ctx)
	key, err := session.NewMasterKey(make([]byte, 32))
	if err != nil {
		return err
	}
	domain := bson.ObjectID{1}
	system := client.Database("__regent")
	url := os.Getenv("REGENT_PUSH_FCM")
	s, _, err := push.New(ctx, push.Config{
		App: &app.App{ID: "demo", Secrets: map[string]string{"account": string(account)}, Services: []*app.Service{{
			Name: "gcm", Type: "gcm", Config: must(bson.Marshal(bson.D{{Key: "fcmURL", Value: url}, {Key: "ratePerSecond", Value: 100_000}})),
			SecretConfig: map[string][]string{"serviceAccount": {"account"}},
		}}},
		Domain: domain, DB: system, Sessions: &sessions{}, Sealer: key, Dial: new(net.Dialer).DialContext,
		Now: func() time.Time { return time.Now().Add(skip) },
	})
	if err != nil {
		return err
	}
	defer s.Close()
	if skip == 0 {
		if err := registerMany(ctx, system, domain, killDevices); err != nil {
			return err
		}
	}
	started := time.Now()
	s.Start()
	r, err := s.Send(ctx, "gcm", "", doc(`{"all":true,"notification":{"title":"Hi"},"idempotencyKey":"one","timeToLive":3600}`))
	if err != nil {
		return err
	}
	fmt.Println("sending")
	for {
		p, err := s.Progress(ctx, r.ID)
		if err != nil {
			return err
		}
		if p.Done() {
			fmt.Printf("done %+v in %s\n", p, time.Since(started).Round(time.Millisecond))
			break
		}
		time.Sleep(100 * time.Millisecond)
	}
	if status, err := os.ReadFile("/proc/self/status"); err == nil {
		for _, line := range strings.Split(string(status), "\n") {
			if strings.HasPrefix(line, "VmHWM") {
				fmt.Println(strings.Join(strings.Fields(line), " "))
			}
		}
	}
	return nil
}

// registerMany writes registrations at once, as Register would one by one.
func registerMany(ctx context.Context, db *mongo.Database, domain bson.ObjectID, n int) error {
	var docs []any
	now := time.Now().Add(-time.Minute)
	for i := range n {
		docs = append(docs, bson.D{
			{Key: "app", Value: domain}, {Key: "service", Value: "gcm"}, {Key: "user", Value: fmt.Sprintf("%024x", i)}, {Key: "device", Value: fmt.Sprintf("%024x", i)},
			{Key: "session", Value: fmt.Sprintf("%024x", i)}, {Key: "kind", Value: "fcm"}, {Key: "token", Value: fmt.Sprintf("token-%d", i)},
			{Key: "hash", Value: bson.Binary{Data: fmt.Appendf(nil, "%032d", i)}}, {Key: "created", Value: now}, {Key: "updated", Value: now},
		})
	}
	_, err := db.Collection("push_registrations").InsertMany(ctx, docs)
	return err
}
