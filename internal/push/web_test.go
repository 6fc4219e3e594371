package push_test

import (
	"crypto/ecdh"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/push"
	"regent/internal/push/pushtest"
)

func withField(raw bson.Raw, key string, v any) (bson.Raw, error) {
	var d bson.D
	if err := bson.Unmarshal(raw, &d); err != nil {
		return nil, err
	}
	return bson.Marshal(append(d, bson.E{Key: key, Value: v}))
}

// TestDecrypt proves the test's browser on the example of RFC 8291, appendix A.
func TestDecrypt(t *testing.T) {
	b := func(s string) []byte { return must(base64.RawURLEncoding.DecodeString(s)) }
	key := must(ecdh.P256().NewPrivateKey(b("q1dXpw3UpT5VOmu_cf_v6ih07Aems3njxI-JWgLcM94")))
	text, err := pushtest.Decrypt(key, b("BTBZMqHH6r4Tts7J_aSIgg"), b("DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"))
	if err != nil || string(text) != "When I grow up, I want to be a watermelon" {
		t.Fatalf("%q %v", text, err)
	}
}

func TestWebPush(t *testing.T) {
	w := newWorld(t)
	w.Start()
	w.browsers.VAPIDKey, w.browsers.Contact = must(w.PublicKey("web")), "mailto:admin@example.com"
	w.register("web", "ann", 0, w.browsers.Subscribe("ann"))
	r, err := w.Send(w.ctx, "web", "", doc(`{"userIds":["ann"],"notification":{"title":"Hi","icon":"/i.png"},"data":{"n":1},"priority":"high","timeToLive":60,"collapseKey":"a key"}`))
	if err != nil {
		t.Fatal(err)
	}
	if p := w.wait(r.ID); p.Sent != 1 {
		t.Errorf("%+v %v %+v", p, w.browsers.Problems(), w.failures())
	}
	got := w.browsers.Received()
	if len(got) != 1 || got[0].Text != `{"data":{"n":"1"},"notification":{"icon":"/i.png","title":"Hi"}}` || got[0].TTL != "60" || got[0].Urgency != "high" || len(got[0].Topic) != 32 {
		t.Errorf("%+v", got)
	}
	// The key stays: browsers have bound their subscriptions to it.
	if key, _ := w.open().PublicKey("web"); key != w.browsers.VAPIDKey {
		t.Error("another key after a restart")
	}
	for _, text := range []string{`{"condition":"'a' in topics","data":{"a":1}}`} {
		if _, err := w.Send(w.ctx, "web", "", doc(text)); code(err) != "GCMError" {
			t.Error(err)
		}
	}
}

func TestWebPushOutcomes(t *testing.T) {
	w := newWorld(t)
	w.Start()
	for i, id := range []string{"gone", "forbidden", "busy", "ok"} {
		w.register("web", id, i, w.browsers.Subscribe(id))
	}
	busy := true
	w.browsers.Answer(func(id string) (int, string) {
		switch id {
		case "gone":
			return 410, ""
		case "forbidden":
			return 403, ""
		case "busy":
			if busy {
				busy = false
				return 429, "5"
			}
		}
		return 0, ""
	})
	r, err := w.Send(w.ctx, "web", "", doc(`{"all":true,"data":{"n":1}}`))
	if err != nil {
		t.Fatal(err)
	}
	w.until("a message", func() bool { return len(w.browsers.Received()) == 1 })
	w.skip(15 * time.Second)
	if p := w.wait(r.ID); p.Sent != 2 || p.Gone != 1 || p.Failed != 1 {
		t.Errorf("%+v", p)
	}
	if f := w.failures(); len(f) != 1 || f[0].Code != "HTTP_403" || !strings.HasSuffix(f[0].To, "/…") || strings.Contains(f[0].To, "forbidden") {
		t.Errorf("%+v", f)
	}
	if len(w.devices()) != 3 {
		t.Errorf("%q", w.devices())
	}
	r, err = w.Send(w.ctx, "web", "", doc(`{"userIds":["ok"],"data":{"long":"`+strings.Repeat("x", 4000)+`"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if p := w.wait(r.ID); p.Failed != 1 {
		t.Errorf("%+v", p)
	}
}

// TestPrivateAddresses gives clients no way into the private network.
func TestPrivateAddresses(t *testing.T) {
	w := newWorld(t, func(c *push.Config) { c.Dial = nil })
	w.Start()
	w.register("web", "ann", 0, w.browsers.Subscribe("ann"))
	if _, err := w.Send(w.ctx, "web", "", doc(`{"userIds":["ann"],"data":{"n":1}}`)); err != nil {
		t.Fatal(err)
	}
	w.until("a refused try", func() bool { w.mu.Lock(); defer w.mu.Unlock(); return w.attempts["webpush retry"] == 1 })
	if got := w.browsers.Received(); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}
