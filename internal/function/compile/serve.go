package compile

import (
	"fmt"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/function/wire"
)

// Serve answers compile and bundle requests until the connection ends. It is
// what a compiler process runs.
func Serve(conn *wire.Conn) error {
	if err := conn.Send(wire.Frame{Kind: wire.Ready}); err != nil {
		return err
	}
	for {
		f, err := conn.Receive()
		if err != nil {
			return err
		}
		var answer wire.Frame
		switch f.Kind {
		case wire.Compile:
			var m wire.CompileMessage
			if err := bson.Unmarshal(f.Body, &m); err != nil {
				return err
			}
			answer = wire.Frame{Kind: wire.Compiled, Body: wire.Marshal(Source(m))}
		case wire.Bundle:
			var m wire.BundleMessage
			if err := bson.Unmarshal(f.Body, &m); err != nil {
				return err
			}
			answer = wire.Frame{Kind: wire.Bundled, Body: wire.Marshal(Bundle(m))}
		default:
			return fmt.Errorf("compiler: unexpected message of kind %d", f.Kind)
		}
		answer.Call = f.Call
		if err := conn.Send(answer); err != nil {
			return err
		}
	}
}
