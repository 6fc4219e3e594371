package app_test

import (
	"bytes"
	"os"
	"testing"

	"regent/internal/app"
)

const configurationFile = "../../docs/configuration.md"

// TestConfigurationDocument keeps docs/configuration.md what the table says;
// go test ./internal/app -run TestConfigurationDocument -update writes it.
func TestConfigurationDocument(t *testing.T) {
	var b bytes.Buffer
	if err := app.WriteConfiguration(&b); err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.MkdirAll("../../docs", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(configurationFile, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	have, err := os.ReadFile(configurationFile)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(have, b.Bytes()) {
		t.Error("docs/configuration.md is stale: run go generate ./internal/app")
	}
}

func TestSettingsTable(t *testing.T) {
	if err := app.SettingsTable().Validate(); err != nil {
		t.Error(err)
	}
}
