package auth

import (
	"unicode/utf8"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/session"
)

// device is what a log-in says of the client's device (client-api.md §1.5.2).
type device struct {
	id   bson.ObjectID // zero: none
	info *session.DeviceInfo
}

// deviceFieldLimit cuts what is stored of each field.
const deviceFieldLimit = 128

// parseDevice reads options.device of a log-in body. Everything is optional and
// unknown fields are tolerated. A device id that a client kept is used again; a
// client that describes its device without one gets a new id; a client that
// describes none has none.
func parseDevice(body bson.Raw) (device, error) {
	doc, ok := body.Lookup("options", "device").DocumentOK()
	if !ok {
		return device{}, nil
	}
	return deviceFrom(doc), nil
}

func deviceFrom(doc bson.Raw) device {
	d := device{info: &session.DeviceInfo{}}
	elems, _ := doc.Elements()
	for _, e := range elems {
		name, v := e.Key(), e.Value()
		if name == "deviceId" {
			if id, ok := v.ObjectIDOK(); ok {
				d.id = id
			} else if t, ok := v.StringValueOK(); ok {
				d.id, _ = bson.ObjectIDFromHex(t) // anything else: as if there were none
			}
			continue
		}
		for _, f := range session.DeviceFields() {
			if f.Sent == name {
				t, _ := v.StringValueOK()
				*f.Of(d.info) = cut(t, deviceFieldLimit)
				break
			}
		}
	}
	if d.id.IsZero() {
		d.id = bson.NewObjectID()
	}
	return d
}

// cut shortens a text to at most n bytes without splitting a character.
func cut(t string, n int) string {
	if len(t) <= n {
		return t
	}
	for n > 0 && !utf8.RuneStart(t[n]) {
		n--
	}
	return t[:n]
}
