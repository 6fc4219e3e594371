package docdb_test

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"testing"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/docdb"
)

// rawConn speaks the wire protocol by itself: it sends exactly the commands that it is given, with no session or retry of a driver's.
type rawConn struct{ net.Conn }

func rawDial(t testing.TB, db *docdb.DB) rawConn {
	t.Helper()
	c, err := db.Dialer().DialContext(t.Context(), "", "")
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return rawConn{c}
}

// opMsg frames a command as an OP_MSG.
func opMsg(body []byte, flags uint32) []byte {
	b := binary.LittleEndian.AppendUint32(nil, uint32(16+5+len(body)))
	b = binary.LittleEndian.AppendUint32(b, 7)
	b = binary.LittleEndian.AppendUint32(b, 0)
	b = binary.LittleEndian.AppendUint32(b, 2013)
	b = binary.LittleEndian.AppendUint32(b, flags)
	return append(append(b, 0), body...)
}

// exchange sends one command and gives the answer, an error of the server's too.
func (r rawConn) exchange(db string, cmd bson.D) (bson.Raw, error) {
	body, err := bson.Marshal(append(cmd[:len(cmd):len(cmd)], bson.E{Key: "$db", Value: db}))
	if err != nil {
		return nil, err
	}
	if _, err := r.Write(opMsg(body, 0)); err != nil {
		return nil, err
	}
	return r.answer()
}

// answer reads one answer.
func (r rawConn) answer() (bson.Raw, error) {
	var head [21]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := int(binary.LittleEndian.Uint32(head[:])) - len(head)
	if n < 5 || n > 64<<20 {
		return nil, fmt.Errorf("an answer of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// run sends a command that has to succeed.
func (r rawConn) run(t testing.TB, db string, cmd bson.D) bson.Raw {
	t.Helper()
	rep, err := r.exchange(db, cmd)
	must(t, err)
	if rep.Lookup("ok").AsFloat64() != 1 {
		t.Fatalf("%v: %s", cmd, rep)
	}
	return rep
}

// code sends a command and gives the error's code; 0 when there is none.
func (r rawConn) code(t testing.TB, db string, cmd bson.D) int {
	t.Helper()
	rep, err := r.exchange(db, cmd)
	must(t, err)
	code, _ := answerCode(rep)
	return code
}
