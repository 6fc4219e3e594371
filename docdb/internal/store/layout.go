package store

import (
	"encoding/binary"
)

// RecordID is the place of a document in its collection's natural order.
type RecordID uint64

const (
	spaceMeta    = 0x00
	spaceCatalog = 0x01
	spaceRecord  = 0x02
	spaceIndex   = 0x03
	spaceOplog   = 0x04
	spaceSession = 0x05
	spaceCount   = 0x06
	spaceNamed   = 0x07
	spaceResults = 0x08
)

var (
	keyVersion = []byte("\x00version")
	keyIDs     = []byte("\x00ids")
	keyCounts  = []byte("\x00counts")
	keyTrimmed = []byte("\x00trimmed")
)

const formatVersion = 1

func prefix32(space byte, id uint32) []byte {
	return binary.BigEndian.AppendUint32([]byte{space}, id)
}

func appendRecordKey(dst []byte, coll uint32, id RecordID) []byte {
	dst = append(dst, spaceRecord)
	dst = binary.BigEndian.AppendUint32(dst, coll)
	return binary.BigEndian.AppendUint64(dst, uint64(id))
}

func appendIndexPrefix(dst []byte, index uint32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, spaceIndex), index)
}

const oplogKeySize = 1 + 8 + 4

func appendOplogKey(dst []byte, ts uint64, seq uint32) []byte {
	dst = binary.BigEndian.AppendUint64(append(dst, spaceOplog), ts)
	return binary.BigEndian.AppendUint32(dst, seq)
}

func recordIDOf(b []byte) RecordID { return RecordID(binary.BigEndian.Uint64(b)) }

// successor is the least key that is greater than every key with the given prefix.
func successor(prefix []byte) []byte {
	s := append([]byte(nil), prefix...)
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] != 0xFF {
			s[i]++
			return s[:i+1]
		}
	}
	return nil
}
