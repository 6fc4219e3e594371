package push

import (
	"encoding/json"
	"fmt"
	"math"
	"net/url"
	"strconv"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/ejson"
	"regent/internal/fault"
)

// Bounds of a message. Providers take 4096 bytes of payload.
const (
	maxPayloadBytes = 4096
	maxMessageBytes = 64 << 10 // with every platform's own options
	maxTTL          = 2_419_200
	defaultTTL      = maxTTL
	maxMessageDepth = 32
)

// Message is a message without its addressee, ready for every provider.
type Message struct {
	// FCM is the `message` object of FCM's HTTP v1 API as JSON, without token,
	// topic and condition.
	FCM string `bson:"fcm"`

	// Web is what a service worker finds in event.data: {notification, data}.
	Web string `bson:"web"`

	Urgency  string `bson:"urgency"`         // of Web Push: high, normal, low, very-low
	Topic    string `bson:"topic,omitempty"` // of Web Push: a later message of the same topic replaces it
	TTL      int    `bson:"ttl"`             // seconds
	Validate bool   `bson:"validate,omitempty"`
}

// object is a JSON object under construction.
type object = map[string]any

// field says how one option of a message is read into the three platforms'
// forms.
type field struct {
	name string // without case and underscores: collapseKey and collapse_key are one
	read func(*draft, string, bson.RawValue) error
}

// draft collects a message.
type draft struct {
	notification, android, androidNote, apnsHeaders, apnsPayload, aps, alert, webHeaders, webNote object
	data                                                                                          map[string]string
	own                                                                                           object // android, apns, webpush, fcm_options as the caller gave them
	priority, collapse, link                                                                      string
	contentAvailable                                                                              bool
	ttl                                                                                           int
	validate                                                                                      bool
}

// messageFields are the options of a message: those of the original's service
// (app-services.md §14), the legacy HTTP API's spellings of them, and FCM v1's
// own platform objects.
func messageFields() []field {
	return []field{
		{"notification", (*draft).readNotification},
		{"data", (*draft).readData},
		{"priority", func(d *draft, n string, v bson.RawValue) (err error) {
			d.priority, err = oneOf(n, v, "high", "normal")
			return
		}},
		{"collapsekey", func(d *draft, n string, v bson.RawValue) (err error) { d.collapse, err = text(n, v); return }},
		{"timetolive", func(d *draft, n string, v bson.RawValue) (err error) { d.ttl, err = seconds(n, v); return }},
		{"contentavailable", func(d *draft, n string, v bson.RawValue) (err error) { d.contentAvailable, err = flag(n, v); return }},
		{"mutablecontent", func(d *draft, n string, v bson.RawValue) error {
			on, err := flag(n, v)
			if on {
				d.aps["mutable-content"] = 1
			}
			return err
		}},
		{"restrictedpackagename", func(d *draft, n string, v bson.RawValue) error {
			return put(d.android, "restricted_package_name", n, v)
		}},
		{"dryrun", func(d *draft, n string, v bson.RawValue) (err error) { d.validate, err = flag(n, v); return }},
		// Google has ignored it since 2016, and so must who asks for it.
		{"delaywhileidle", func(d *draft, n string, v bson.RawValue) error { _, err := flag(n, v); return err }},
		{"android", own("android")},
		{"apns", own("apns")},
		{"webpush", own("webpush")},
		{"fcmoptions", own("fcm_options")},
	}
}

// notificationFields are the options inside `notification`.
func notificationFields() []field {
	both := func(android, apple string) func(*draft, string, bson.RawValue) error {
		return func(d *draft, n string, v bson.RawValue) error {
			s, err := text(n, v)
			if err == nil {
				d.androidNote[android] = s
				if apple != "" {
					d.aps[apple] = s
				}
			}
			return err
		}
	}
	list := func(android, apple string) func(*draft, string, bson.RawValue) error {
		return func(d *draft, n string, v bson.RawValue) error {
			l, err := texts(n, v)
			if err == nil {
				d.androidNote[android], d.alert[apple] = l, l
			}
			return err
		}
	}
	localised := func(android, apple string) func(*draft, string, bson.RawValue) error {
		return func(d *draft, n string, v bson.RawValue) error {
			s, err := text(n, v)
			if err == nil {
				d.androidNote[android], d.alert[apple] = s, s
			}
			return err
		}
	}
	return []field{
		{"title", func(d *draft, n string, v bson.RawValue) error { return put(d.notification, "title", n, v) }},
		{"body", func(d *draft, n string, v bson.RawValue) error { return put(d.notification, "body", n, v) }},
		{"image", func(d *draft, n string, v bson.RawValue) error { return put(d.notification, "image", n, v) }},
		{"sound", both("sound", "sound")},
		{"clickaction", func(d *draft, n string, v bson.RawValue) error {
			s, err := text(n, v)
			d.androidNote["click_action"], d.aps["category"] = s, s
			if u, e := url.Parse(s); e == nil && u.Scheme == "https" {
				d.link = s // FCM takes https links only
			}
			return err
		}},
		{"icon", func(d *draft, n string, v bson.RawValue) error {
			s, err := text(n, v)
			d.androidNote["icon"], d.webNote["icon"] = s, s
			return err
		}},
		{"color", both("color", "")},
		{"tag", func(d *draft, n string, v bson.RawValue) error {
			s, err := text(n, v)
			d.androidNote["tag"], d.webNote["tag"] = s, s
			return err
		}},
		{"androidchannelid", both("channel_id", "")},
		{"channelid", both("channel_id", "")},
		{"subtitle", func(d *draft, n string, v bson.RawValue) error { return put(d.alert, "subtitle", n, v) }},
		{"badge", func(d *draft, n string, v bson.RawValue) error {
			b, err := number(n, v)
			if err == nil {
				d.aps["badge"] = b
			}
			return err
		}},
		{"bodylockey", localised("body_loc_key", "loc-key")},
		{"bodylocargs", list("body_loc_args", "loc-args")},
		{"titlelockey", localised("title_loc_key", "title-loc-key")},
		{"titlelocargs", list("title_loc_args", "title-loc-args")},
	}
}

// parseMessage reads the options of a message. Fields that are no options are
// handed to other, which answers false for those it does not know either.
func parseMessage(raw bson.Raw, other func(name string, v bson.RawValue) (bool, error)) (Message, error) {
	if len(raw) > maxMessageBytes {
		return Message{}, fault.New(fault.InvalidParameter, "the push message has %d bytes, at most %d are allowed", len(raw), maxMessageBytes)
	}
	d := &draft{
		notification: object{}, android: object{}, androidNote: object{}, apnsHeaders: object{}, apnsPayload: object{}, aps: object{}, alert: object{},
		webHeaders: object{}, webNote: object{}, own: object{}, ttl: defaultTTL,
	}
	if err := d.read(raw, messageFields(), "", other); err != nil {
		return Message{}, err
	}
	return d.message()
}

// read hands the elements of a document to a table of fields. null is absence.
func (d *draft) read(raw bson.Raw, fields []field, prefix string, other func(string, bson.RawValue) (bool, error)) error {
	elements, err := raw.Elements()
	if err != nil {
		return fault.New(fault.InvalidParameter, "the push message is malformed")
	}
next:
	for _, e := range elements {
		v := e.Value()
		if v.Type == bson.TypeNull || v.Type == bson.TypeUndefined {
			continue
		}
		name := plain(e.Key())
		for _, f := range fields {
			if f.name == name {
				if err := f.read(d, prefix+e.Key(), v); err != nil {
					return err
				}
				continue next
			}
		}
		if other != nil {
			known, err := other(name, v)
			if err != nil {
				return err
			}
			if known {
				continue
			}
		}
		return fault.New(fault.InvalidParameter, "push messages have no option '%s%s'", prefix, e.Key())
	}
	return nil
}

// plain removes what the spellings of an option differ by.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "")) }

func (d *draft) readNotification(n string, v bson.RawValue) error {
	doc, ok := v.DocumentOK()
	if !ok {
		return wrong(n, "an object", v)
	}
	return d.read(doc, notificationFields(), n+".", nil)
}

// readData makes strings of all values, as the legacy API did.
func (d *draft) readData(n string, v bson.RawValue) error {
	doc, ok := v.DocumentOK()
	if !ok {
		return wrong(n, "an object", v)
	}
	elements, err := doc.Elements()
	if err != nil {
		return wrong(n, "an object", v)
	}
	d.data = make(map[string]string, len(elements))
	for _, e := range elements {
		key, value := e.Key(), e.Value()
		if low := strings.ToLower(key); low == "from" || low == "message_type" || strings.HasPrefix(low, "google.") || strings.HasPrefix(low, "gcm.") || low == "google" || low == "gcm" {
			return fault.New(fault.InvalidParameter, "push data must not have the key '%s': FCM keeps it for itself", key)
		}
		switch s, isText := value.StringValueOK(); {
		case isText:
			d.data[key] = s
		case value.Type == bson.TypeObjectID:
			d.data[key] = value.ObjectID().Hex()
		default:
			t, err := ejson.AppendRelaxed(nil, value)
			if err != nil {
				return wrong(n+"."+key, "a value that JSON can hold", value)
			}
			d.data[key] = string(t)
		}
	}
	return nil
}

// message puts the platforms' parts together.
func (d *draft) message() (Message, error) {
	m := Message{TTL: d.ttl, Validate: d.validate, Urgency: "normal"}
	background := d.contentAvailable && len(d.notification) == 0 && len(d.alert) == 0
	if d.contentAvailable {
		d.aps["content-available"] = 1
	}
	switch {
	case background:
		// Apple refuses background messages of another priority.
		d.apnsHeaders["apns-priority"] = "5"
	case d.priority == "high":
		d.apnsHeaders["apns-priority"] = "10"
	case d.priority == "normal":
		d.apnsHeaders["apns-priority"] = "5"
	}
	if d.priority != "" {
		d.android["priority"], d.webHeaders["Urgency"], m.Urgency = d.priority, d.priority, d.priority
	}
	if d.collapse != "" {
		d.android["collapse_key"], d.apnsHeaders["apns-collapse-id"] = d.collapse, d.collapse
		m.Topic = webTopic(d.collapse)
		d.webHeaders["Topic"] = m.Topic
	}
	if d.ttl != defaultTTL {
		d.android["ttl"] = strconv.Itoa(d.ttl) + "s"
		d.webHeaders["TTL"] = strconv.Itoa(d.ttl)
	}
	fcm := object{}
	web := object{}
	if len(d.notification) > 0 {
		fcm["notification"] = d.notification
		note := object{}
		for _, part := range []object{d.notification, d.webNote} {
			for k, v := range part {
				note[k] = v
			}
		}
		if d.link != "" {
			note["click_action"] = d.link
		}
		web["notification"] = note
	}
	if len(d.data) > 0 {
		fcm["data"], web["data"] = d.data, d.data
	}
	if size := jsonSize(web); size > maxPayloadBytes {
		return m, fault.New(fault.InvalidParameter, "the push message's notification and data have %d bytes, at most %d are allowed", size, maxPayloadBytes)
	}
	if len(d.androidNote) > 0 {
		d.android["notification"] = d.androidNote
	}
	if len(d.alert) > 0 {
		// An alert of our own replaces FCM's: it must repeat title and body.
		for _, k := range []string{"title", "body"} {
			if v, ok := d.notification[k]; ok {
				d.alert[k] = v
			}
		}
		d.aps["alert"] = d.alert
	}
	if len(d.aps) > 0 {
		d.apnsPayload["aps"] = d.aps
	}
	apns, webpush := object{}, object{}
	setIfAny(apns, "headers", d.apnsHeaders)
	setIfAny(apns, "payload", d.apnsPayload)
	setIfAny(webpush, "headers", d.webHeaders)
	setIfAny(webpush, "notification", d.webNote)
	if d.link != "" {
		webpush["fcm_options"] = object{"link": d.link}
	}
	setIfAny(fcm, "android", d.android)
	setIfAny(fcm, "apns", apns)
	setIfAny(fcm, "webpush", webpush)
	merge(fcm, d.own, 0)
	if n, ok := pick(d.own, "webpush", "notification").(object); ok {
		note, _ := web["notification"].(object)
		if note == nil {
			note = object{}
		}
		merge(note, n, 0)
		web["notification"] = note
	}
	if len(fcm) == 0 {
		return m, fault.New(fault.MissingParameter, "a push message needs a notification or data")
	}
	for _, part := range []struct {
		to *string
		v  object
	}{{&m.FCM, fcm}, {&m.Web, web}} {
		b, err := json.Marshal(part.v)
		if err != nil {
			return m, fault.New(fault.InvalidParameter, "the push message can't be written as JSON: %s", err)
		}
		*part.to = string(b)
	}
	return m, nil
}

// expires is when a message that was sent at now is given up. A time to live of
// 0 means now or never: the first tries have a minute.
func (m *Message) expires(now time.Time) time.Time {
	return now.Add(max(time.Duration(m.TTL)*time.Second, time.Minute))
}

func setIfAny(o object, key string, v object) {
	if len(v) > 0 {
		o[key] = v
	}
}

// merge lays src over dst, object by object.
func merge(dst, src object, depth int) {
	for k, v := range src {
		into, ok1 := dst[k].(object)
		from, ok2 := v.(object)
		if ok1 && ok2 && depth < maxMessageDepth {
			merge(into, from, depth+1)
			continue
		}
		dst[k] = v
	}
}

func pick(o object, path ...string) any {
	var v any = o
	for _, k := range path {
		o, ok := v.(object)
		if !ok {
			return nil
		}
		v = o[k]
	}
	return v
}

func jsonSize(v any) int {
	b, err := json.Marshal(v)
	if err != nil {
		return math.MaxInt
	}
	return len(b)
}

// own takes a platform's options as FCM v1 has them.
func own(name string) func(*draft, string, bson.RawValue) error {
	return func(d *draft, n string, v bson.RawValue) error {
		if v.Type != bson.TypeEmbeddedDocument {
			return wrong(n, "an object as FCM's HTTP v1 API has it", v)
		}
		t, err := ejson.AppendRelaxed(nil, v)
		if err != nil {
			return wrong(n, "an object that JSON can hold", v)
		}
		var o object
		if err := json.Unmarshal(t, &o); err != nil {
			return wrong(n, "an object that JSON can hold", v)
		}
		d.own[name] = o
		return nil
	}
}

func wrong(name, want string, v bson.RawValue) error {
	return fault.New(fault.InvalidParameter, "push option '%s' must be %s, it is of type %s", name, want, v.Type)
}

func text(name string, v bson.RawValue) (string, error) {
	s, ok := v.StringValueOK()
	if !ok {
		return "", wrong(name, "a string", v)
	}
	return s, nil
}

func put(o object, key, name string, v bson.RawValue) error {
	s, err := text(name, v)
	if err == nil {
		o[key] = s
	}
	return err
}

func oneOf(name string, v bson.RawValue, allowed ...string) (string, error) {
	s, _ := v.StringValueOK()
	for _, a := range allowed {
		if strings.EqualFold(s, a) {
			return a, nil
		}
	}
	return "", fault.New(fault.InvalidParameter, "push option '%s' must be one of: %s", name, strings.Join(allowed, ", "))
}

func flag(name string, v bson.RawValue) (bool, error) {
	if b, ok := v.BooleanOK(); ok {
		return b, nil
	}
	if s, ok := v.StringValueOK(); ok && (s == "true" || s == "false") {
		return s == "true", nil
	}
	return false, wrong(name, "true or false", v)
}

// number takes whole numbers, also as text: the legacy API had badges as text.
func number(name string, v bson.RawValue) (int, error) {
	if s, ok := v.StringValueOK(); ok {
		if n, err := strconv.ParseInt(s, 10, 32); err == nil {
			return int(n), nil
		}
		return 0, wrong(name, "a whole number", v)
	}
	if f, ok := v.DoubleOK(); ok && f == math.Trunc(f) && math.Abs(f) < 1<<31 {
		return int(f), nil
	}
	if n, ok := v.Int32OK(); ok {
		return int(n), nil
	}
	if n, ok := v.Int64OK(); ok && n >= math.MinInt32 && n <= math.MaxInt32 {
		return int(n), nil
	}
	return 0, wrong(name, "a whole number", v)
}

// seconds is a time to live. The original's pages call it milliseconds, but its
// range is that of seconds (app-services.md §14).
func seconds(name string, v bson.RawValue) (int, error) {
	n, err := number(name, v)
	if err == nil && (n < 0 || n > maxTTL) {
		err = fault.New(fault.InvalidParameter, "push option '%s' must be a number of seconds from 0 to %d", name, maxTTL)
	}
	return n, err
}

// texts takes an array of strings, or one as JSON text, as the legacy API had it.
func texts(name string, v bson.RawValue) ([]string, error) {
	if s, ok := v.StringValueOK(); ok {
		var l []string
		if json.Unmarshal([]byte(s), &l) != nil {
			return nil, wrong(name, "an array of strings", v)
		}
		return l, nil
	}
	a, ok := v.ArrayOK()
	if !ok {
		return nil, wrong(name, "an array of strings", v)
	}
	values, err := a.Values()
	if err != nil {
		return nil, wrong(name, "an array of strings", v)
	}
	l := make([]string, len(values))
	for i, e := range values {
		if l[i], err = text(fmt.Sprintf("%s[%d]", name, i), e); err != nil {
			return nil, err
		}
	}
	return l, nil
}
