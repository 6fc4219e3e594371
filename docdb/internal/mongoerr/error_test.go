package mongoerr

import (
	"errors"
	"fmt"
	"testing"
)

func TestNamesAndFallback(t *testing.T) {
	for code, want := range map[Code]string{DuplicateKey: "DuplicateKey", WriteConflict: "WriteConflict", CommandNotFound: "CommandNotFound", 31249: "Location31249"} {
		if got := code.Name(); got != want {
			t.Errorf("%d is %s, want %s", code, got, want)
		}
	}
	seen := map[string]Code{}
	for code, name := range names {
		if other, twice := seen[name]; twice {
			t.Errorf("%s is %d and %d", name, code, other)
		}
		seen[name] = code
	}
}

func TestErrorsKeepTheirCodeWhenWrapped(t *testing.T) {
	err := fmt.Errorf("while writing: %w", New(WriteConflict, "write conflict on %d", 5).WithLabels(LabelTransientTransaction))
	if CodeOf(err) != WriteConflict || !As(err).HasLabel(LabelTransientTransaction) || As(err).Message != "write conflict on 5" {
		t.Error(err)
	}
	if !errors.Is(err, New(WriteConflict, "")) || errors.Is(err, New(DuplicateKey, "")) {
		t.Error("errors.Is compares by code")
	}
	if As(errors.New("disk on fire")).Code != InternalError || As(nil) != nil {
		t.Error("other errors are internal")
	}
}
