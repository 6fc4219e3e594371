package client

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/ejson"
	"regent/internal/fault"
)

// writeTimeout is how long one event may take to reach the client before it
// counts as gone.
const writeTimeout = 30 * time.Second

// streamParameter gives a query parameter of a stream's address, whose prefix is
// baas_ since 2020 and stitch_ in the SDKs before (client-api.md §1.18).
func (c *call) streamParameter(name string) (value string, present bool) {
	q := c.r.URL.Query()
	for _, prefix := range []string{"baas_", "stitch_"} {
		if q.Has(prefix + name) {
			return q.Get(prefix + name), true
		}
	}
	return "", false
}

// watch streams change events (client-api.md §1.18). The stream has no time
// limit, sends comments as a heartbeat, and every event has an id that a client
// may give back as Last-Event-ID to resume.
func (c *call) watch() error {
	encoded, _ := c.streamParameter("request")
	if encoded == "" {
		return fault.New(fault.BadRequest, "invalid function call request: 'baas_request' is missing")
	}
	text, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		// Some clients send the URL alphabet or leave the padding out.
		text, err = base64.RawURLEncoding.DecodeString(strings.TrimRight(encoded, "="))
	}
	if err != nil {
		return fault.New(fault.BadRequest, "invalid function call request: 'baas_request' is not base64")
	}
	inv, err := parseInvocation(text)
	if err != nil {
		return err
	}
	if inv.service == "" || inv.name != "watch" {
		return fault.New(fault.ServiceCommandNotFound, "only a service's 'watch' can be streamed, not '%s'", inv.name)
	}
	arg, err := inv.argument()
	if err != nil {
		return err
	}
	c.info.Service, c.info.Action = inv.service, inv.name
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	stream, err := c.b.Data.Watch(ctx, c.caller(), inv.service, arg, c.r.Header.Get("Last-Event-ID"))
	if err != nil {
		return err
	}
	defer stream.Close()
	if c.Shutdown != nil {
		go func() {
			select {
			case <-c.Shutdown:
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return c.stream(ctx, stream)
}

// stream copies events to the client until either side ends. It sends what the
// protocol calls an error event only for errors that a client may see.
func (c *call) stream(ctx context.Context, stream Stream) error {
	control := http.NewResponseController(c.w)
	h := c.w.Header()
	h.Set(contentType, "text/event-stream")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Accel-Buffering", "no") // proxies that buffer would hold events back
	c.status = http.StatusOK
	c.w.WriteHeader(http.StatusOK)

	var frame bytes.Buffer
	send := func() bool {
		control.SetWriteDeadline(time.Now().Add(writeTimeout))
		if _, err := c.w.Write(frame.Bytes()); err != nil {
			return false
		}
		return control.Flush() == nil
	}
	fail := func(err error) {
		f := c.faultOf(route{name: "watch"}, err)
		frame.Reset()
		writeErrorEvent(&frame, f)
		send()
		c.recordFailure(route{name: "watch"}, f, err)
	}
	heartbeat := c.Heartbeat
	if h := c.b.App.Settings.WatchHeartbeat; h > 0 {
		heartbeat = h
	}
	// The headers go out at once: tests and clients wait for them.
	frame.WriteString(": watching\n")
	if id := stream.Begin(); id != "" {
		// An id alone is no event; a client that remembers it can resume a
		// stream that breaks before its first event.
		frame.WriteString("id: " + id + "\n")
	}
	frame.WriteByte('\n')
	if !send() {
		return nil
	}
	for {
		wait, cancel := context.WithTimeout(ctx, heartbeat)
		id, event, err := stream.Next(wait)
		cancel()
		if ctx.Err() != nil {
			return nil
		}
		frame.Reset()
		switch {
		case err == nil:
			// A session may have ended since the last event.
			if err := c.b.Accounts.Alive(ctx, c.session); err != nil {
				fail(err)
				return nil
			}
			if err := writeEvent(&frame, id, event); err != nil {
				fail(err)
				return nil
			}
		case errors.Is(err, context.DeadlineExceeded):
			if err := c.b.Accounts.Alive(ctx, c.session); err != nil {
				fail(err)
				return nil
			}
			frame.WriteString(":\n\n")
		case errors.Is(err, io.EOF):
			return nil
		default:
			fail(err)
			return nil
		}
		if !send() {
			return nil
		}
	}
}

// writeEvent frames a change event. Only `%`, LF and CR are escaped in data.
func writeEvent(b *bytes.Buffer, id string, event bson.Raw) error {
	text, err := ejson.Append(nil, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: event})
	if err != nil {
		return err
	}
	if id != "" {
		b.WriteString("id: ")
		b.WriteString(id)
		b.WriteByte('\n')
	}
	b.WriteString("event: message\ndata: ")
	writeEscaped(b, text)
	b.WriteString("\n\n")
	return nil
}

func writeErrorEvent(b *bytes.Buffer, f *fault.Error) {
	code := f.Code
	if code == fault.None {
		code = "Unknown" // both members must be strings
	}
	var text bytes.Buffer
	err := encodeJSON(&text, struct {
		Code  fault.Code `json:"error_code"`
		Error string     `json:"error"`
	}{code, f.Message})
	if err != nil {
		return
	}
	b.WriteString("event: error\ndata: ")
	writeEscaped(b, text.Bytes())
	b.WriteString("\n\n")
}

func writeEscaped(b *bytes.Buffer, text []byte) {
	for {
		i := bytes.IndexAny(text, "%\n\r")
		if i < 0 {
			b.Write(text)
			return
		}
		b.Write(text[:i])
		switch text[i] {
		case '%':
			b.WriteString("%25")
		case '\n':
			b.WriteString("%0A")
		case '\r':
			b.WriteString("%0D")
		}
		text = text[i+1:]
	}
}
