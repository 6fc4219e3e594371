package app

import (
	"testing"

	"pgregory.net/rapid"
)

func TestSchedules(t *testing.T) {
	for text, want := range map[string]bool{
		"* * * * *": true, "*/5 0-6 1,15 JAN-MAR sun": true, "0 9 * * MON": true,
		"": false, "* * * *": false, "60 * * * *": false, "@every 1s": false, "CRON_TZ=UTC * * * * *": false, "TZ=": false, "*/0 * * * *": false,
	} {
		if validSchedule(text) != want {
			t.Errorf("%q: got %v", text, !want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		validSchedule(rapid.StringMatching(`[-*/,0-9A-Z=@ ]{0,20}`).Draw(t, "schedule")) // must not panic
	})
}
