package auth

import "testing"

// TestMayRedirect: only where the app's owner said, and on loopback addresses at
// any port only where no port was said.
func TestMayRedirect(t *testing.T) {
	configured := []string{"https://todo.example.com/in", "http://127.0.0.1/", "http://[::1]/done", "http://localhost:8787/"}
	for to, want := range map[string]bool{
		"https://todo.example.com/in":       true,
		"http://127.0.0.1/":                 true,
		"http://127.0.0.1:8787/":            true,
		"http://127.0.0.1:65535/":           true,
		"http://[::1]:1/done":               true,
		"http://localhost:8787/":            true,
		"https://todo.example.com:1/in":     false,
		"https://todo.example.com/in2":      false,
		"https://127.0.0.1:8787/":           false,
		"http://127.0.0.1:8787":             false,
		"http://127.0.0.1:8787/elsewhere":   false,
		"http://127.0.0.1:8787/?a=b":        false,
		"http://127.0.0.1:0/":               false,
		"http://127.0.0.1:65536/":           false,
		"http://127.0.0.1:+80/":             false,
		"http://127.0.0.1:/":                false,
		"http://127.0.0.1:80@evil.example/": false,
		"http://127.0.0.1:@evil.example/":   false,
		"http://127.0.0.1.evil.example/":    false,
		"http://[::1]:1/":                   false,
		"http://localhost:9999/":            false,
		"":                                  false,
	} {
		if got := mayRedirect(configured, to); got != want {
			t.Errorf("%s: %v", to, got)
		}
	}
}
