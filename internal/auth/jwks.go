package auth

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v3/jwk"
)

// Bounds of a JSON Web Key Set.
const (
	maxKeySetBytes = 256 << 10
	maxKeys        = 32

	// keySetTTL is how long keys are believed, so that one that was withdrawn
	// stops working.
	keySetTTL = time.Hour

	// keySetRetry bounds how often an unknown key id, which anybody can send,
	// makes the set be fetched again.
	keySetRetry = 10 * time.Second
)

// keySet is a JWKS that is fetched when needed and kept. A key id that is not
// in it fetches it again: that is how an issuer rotates its keys.
type keySet struct {
	uri    string
	client *http.Client
	now    func() time.Time

	mu      sync.Mutex // held while fetching: one fetch serves all who wait
	keys    map[string]*rsa.PublicKey
	fetched time.Time
	tried   time.Time
}

func newKeySet(uri string, client *http.Client, now func() time.Time) *keySet {
	return &keySet{uri: uri, client: client, now: now}
}

func (k *keySet) key(ctx context.Context, kid string) (*rsa.PublicKey, error) {
	if kid == "" {
		return nil, errors.New("the token's header names no key (kid)")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	now := k.now()
	if key := k.keys[kid]; key != nil && now.Sub(k.fetched) < keySetTTL {
		return key, nil
	}
	if !k.tried.IsZero() && now.Sub(k.tried) < keySetRetry {
		if key := k.keys[kid]; key != nil { // old, and its issuer cannot be reached
			return key, nil
		}
		return nil, fmt.Errorf("the key %q is not in %s", kid, k.uri)
	}
	k.tried = now
	keys, err := k.fetch(ctx)
	if err != nil {
		// An issuer that is down does not lock out who has a known key.
		if key := k.keys[kid]; key != nil && now.Sub(k.fetched) < 24*keySetTTL {
			return key, nil
		}
		return nil, fmt.Errorf("fetching %s: %w", k.uri, err)
	}
	k.keys, k.fetched = keys, now
	if key := keys[kid]; key != nil {
		return key, nil
	}
	return nil, fmt.Errorf("the key %q is not in %s", kid, k.uri)
}

func (k *keySet) fetch(ctx context.Context) (map[string]*rsa.PublicKey, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, k.uri, nil)
	if err != nil {
		return nil, err
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("status %s", resp.Status)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxKeySetBytes+1))
	if err != nil {
		return nil, err
	}
	if len(body) > maxKeySetBytes {
		return nil, fmt.Errorf("more than %d bytes", maxKeySetBytes)
	}
	set, err := jwk.Parse(body)
	if err != nil {
		return nil, err
	}
	keys := map[string]*rsa.PublicKey{}
	for i := 0; i < set.Len() && len(keys) < maxKeys; i++ {
		key, ok := set.Key(i)
		if !ok {
			break
		}
		kid, ok := key.KeyID()
		var public rsa.PublicKey
		if !ok || jwk.Export(key, &public) != nil {
			continue // not RSA: of no use here
		}
		keys[kid] = &public
	}
	if len(keys) == 0 {
		return nil, errors.New("it has no RSA key with a key id")
	}
	return keys, nil
}
