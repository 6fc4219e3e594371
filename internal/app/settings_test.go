package app_test

import (
	"testing"

	"regent/internal/app"
)

func TestSettingsTable(t *testing.T) {
	if err := app.SettingsTable().Validate(); err != nil {
		t.Error(err)
	}
}
