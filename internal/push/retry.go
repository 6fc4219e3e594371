package push

import (
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Bounds of retries: about an hour of them, as Firebase's documents advise.
const (
	maxAttempts   = 13
	firstWait     = time.Second
	longestWait   = 10 * time.Minute
	maxRetryAfter = time.Hour
)

// wait is the time until the next try after attempts tries: doubled each time,
// at least what the provider asks for, and spread over a half more, so that
// what failed together is not tried together again.
func wait(attempts int, o outcome) time.Duration {
	d := longestWait
	if attempts < 12 {
		d = min(longestWait, firstWait<<max(attempts-1, 0))
	}
	d = max(d, o.minimum, min(o.retryAfter, maxRetryAfter))
	return d + rand.N(d/2+1)
}

// retryAfter reads a Retry-After header: seconds or a date.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if n, err := strconv.Atoi(v); err == nil {
		return min(max(time.Duration(n), 0), maxRetryAfter/time.Second) * time.Second
	}
	if t, err := http.ParseTime(v); err == nil {
		return min(max(t.Sub(now), 0), maxRetryAfter)
	}
	return 0
}
