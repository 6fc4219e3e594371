package auth

import "testing"

// TestMessagesThatAreIdentities: a result that reads like a failure is an identity
// all the same, and is told to the operator.
func TestMessagesThatAreIdentities(t *testing.T) {
	for id, want := range map[string]bool{
		"Invalid credentials": true, "error:\nnot found": true, "wrong\tpassword": true,
		"5f1d7f3a9b0c4e2d8a6b7c8d": false, "ada@example.com": false, "auth0|5f1d": false, " padded ": false, "": false,
	} {
		if got := readsLikeMessage(id); got != want {
			t.Errorf("%q: %v, want %v", id, got, want)
		}
	}
}
