package app_test

import (
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
)

// TestEveryFieldIsFilled loads the cases and reports fields of App, at any
// depth, that no directory fills: fields that the loader forgot.
func TestEveryFieldIsFilled(t *testing.T) {
	filled := map[string]bool{}
	files, _ := filepath.Glob("testdata/load/*.txtar")
	for _, file := range files {
		c := readCase(t, file)
		a, _, err := app.Load(c.dir, c.opts)
		if err != nil {
			t.Fatal(err)
		}
		if a != nil {
			collect(reflect.ValueOf(*a), filled)
		}
	}
	for name, ok := range filled {
		// Settings are filled by their table.
		if !ok && !strings.HasPrefix(name, "Settings.") && !strings.HasPrefix(name, "OAuthSettings.") {
			t.Errorf("no case fills %s", name)
		}
	}
	if len(filled) < 100 {
		t.Errorf("only %d fields were looked at", len(filled))
	}
}

func collect(v reflect.Value, filled map[string]bool) {
	switch v.Interface().(type) {
	case bson.Raw, bson.RawValue, []byte:
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			collect(v.Elem(), filled)
		}
	case reflect.Slice:
		for i := range v.Len() {
			collect(v.Index(i), filled)
		}
	case reflect.Map:
		for _, k := range v.MapKeys() {
			collect(v.MapIndex(k), filled)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			name := v.Type().Name() + "." + v.Type().Field(i).Name
			filled[name] = filled[name] || !v.Field(i).IsZero()
			collect(v.Field(i), filled)
		}
	}
}
