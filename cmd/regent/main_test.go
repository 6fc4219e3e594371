package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"regent"
)

func TestMain(m *testing.M) {
	// The scripts' `regent` is this test program, and so are its function hosts.
	regent.MaybeRunFunctionHost()
	testscript.Main(m, map[string]func(){"regent": main})
}

// TestScripts runs the command lines in testdata.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata"})
}
