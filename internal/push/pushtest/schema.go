package pushtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// The request of projects.messages.send as Google's reference has it. Fields
// that it does not have are refused, as Google does.
type (
	sendRequest struct {
		Validate bool    `json:"validate_only"`
		Message  message `json:"message"`
	}
	message struct {
		Token        *string           `json:"token"`
		Topic        *string           `json:"topic"`
		Condition    *string           `json:"condition"`
		Data         map[string]string `json:"data"`
		Notification *notification     `json:"notification"`
		Android      *androidConfig    `json:"android"`
		Webpush      *webpushConfig    `json:"webpush"`
		APNS         *apnsConfig       `json:"apns"`
		Options      *struct {
			Label string `json:"analytics_label"`
		} `json:"fcm_options"`
	}
	notification struct {
		Title string `json:"title"`
		Body  string `json:"body"`
		Image string `json:"image"`
	}
	androidConfig struct {
		CollapseKey  string            `json:"collapse_key"`
		Priority     string            `json:"priority"`
		TTL          string            `json:"ttl"`
		Package      string            `json:"restricted_package_name"`
		Data         map[string]string `json:"data"`
		Notification *struct {
			Title, Body, Icon, Color, Sound, Tag, Image, Ticker string
			ClickAction                                         string   `json:"click_action"`
			BodyLocKey                                          string   `json:"body_loc_key"`
			BodyLocArgs                                         []string `json:"body_loc_args"`
			TitleLocKey                                         string   `json:"title_loc_key"`
			TitleLocArgs                                        []string `json:"title_loc_args"`
			ChannelID                                           string   `json:"channel_id"`
		} `json:"notification"`
	}
	webpushConfig struct {
		Headers      map[string]string `json:"headers"`
		Data         map[string]string `json:"data"`
		Notification map[string]any    `json:"notification"`
		Options      *struct {
			Link string `json:"link"`
		} `json:"fcm_options"`
	}
	apnsConfig struct {
		Headers map[string]string `json:"headers"`
		Payload map[string]any    `json:"payload"`
	}
)

var ttl = regexp.MustCompile(`^\d+(\.\d{1,9})?s$`)

// checkSend reads a request as strictly as Google does.
func checkSend(body []byte, contentType string) (Received, error) {
	if !strings.HasPrefix(contentType, "application/json") {
		return Received{}, fmt.Errorf("Content-Type %q", contentType)
	}
	var r sendRequest
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Received{}, err
	}
	var loose struct {
		Message map[string]any `json:"message"`
	}
	if err := json.Unmarshal(body, &loose); err != nil {
		return Received{}, err
	}
	got := Received{Validate: r.Validate, Message: loose.Message}
	m, ways := r.Message, 0
	for _, way := range []struct{ from, to *string }{{m.Token, &got.Token}, {m.Topic, &got.Topic}, {m.Condition, &got.Condition}} {
		if way.from != nil && *way.from != "" {
			*way.to = *way.from
			ways++
		}
	}
	if ways != 1 {
		return got, errors.New("Exactly one of token, topic or condition is required")
	}
	for k := range m.Data {
		if k == "from" || strings.HasPrefix(k, "google.") || strings.HasPrefix(k, "gcm.") {
			return got, fmt.Errorf("Invalid data payload key: %s", k)
		}
	}
	if a := m.Android; a != nil {
		if a.TTL != "" && !ttl.MatchString(a.TTL) {
			return got, fmt.Errorf("android.ttl %q", a.TTL)
		}
		if p := strings.ToUpper(a.Priority); p != "" && p != "HIGH" && p != "NORMAL" {
			return got, fmt.Errorf("android.priority %q", a.Priority)
		}
	}
	if a := m.APNS; a != nil {
		aps, _ := a.Payload["aps"].(map[string]any)
		if aps["content-available"] != nil && aps["alert"] == nil && m.Notification == nil && a.Headers["apns-priority"] != "5" {
			return got, errors.New("background messages need apns-priority 5")
		}
	}
	if w := m.Webpush; w != nil && w.Options != nil && !strings.HasPrefix(w.Options.Link, "https://") {
		return got, errors.New("webpush.fcm_options.link must be https")
	}
	return got, nil
}
