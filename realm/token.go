package realm

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strings"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// token is a JWT with what the client reads of it. Signatures are the
// server's business (client-api.md §1.12).
type token struct {
	text     string
	subject  string   // "sub": the user's id
	device   string   // "baas_device_id"
	userData bson.Raw // "user_data": the custom data; nil when absent
}

// parseToken takes a JWT apart: three parts, the middle one base64 in either
// alphabet, padded or not, with a JSON object inside.
func parseToken(text string) (token, error) {
	parts := strings.Split(text, ".")
	if len(parts) != 3 || parts[0] == "" || parts[2] == "" {
		return token{}, fmt.Errorf("%w: want three parts", ErrBadToken)
	}
	middle := strings.TrimRight(parts[1], "=")
	encoding := base64.RawURLEncoding
	if strings.ContainsAny(middle, "+/") {
		encoding = base64.RawStdEncoding
	}
	payload, err := encoding.DecodeString(middle)
	if err != nil {
		return token{}, fmt.Errorf("%w: %w", ErrBadToken, err)
	}
	var claims struct {
		Subject  string          `json:"sub"`
		Device   string          `json:"baas_device_id"`
		UserData json.RawMessage `json:"user_data"`
	}
	if trimmed := bytes.TrimSpace(payload); len(trimmed) == 0 || trimmed[0] != '{' {
		return token{}, fmt.Errorf("%w: the payload is not an object", ErrBadToken)
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		return token{}, fmt.Errorf("%w: %w", ErrBadToken, err)
	}
	t := token{text: text, subject: claims.Subject, device: realDevice(claims.Device)}
	if len(claims.UserData) > 0 && string(claims.UserData) != "null" {
		if t.userData, err = decodeRaw(claims.UserData); err != nil {
			return token{}, fmt.Errorf("%w: user_data: %w", ErrBadToken, err)
		}
	}
	return t, nil
}

// noDevice is what servers send where there is no device.
const noDevice = "000000000000000000000000"

func realDevice(id string) string {
	if id == noDevice {
		return ""
	}
	return id
}
