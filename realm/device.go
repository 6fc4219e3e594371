package realm

import (
	"runtime"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// device describes this program and machine for a log-in, in the fields of the
// native SDKs (client-api.md §1.5.2), plus the device id from an earlier one.
func (a *App) device() bson.D {
	name := a.name
	if name == "" {
		name = a.id
	}
	d := bson.D{
		{Key: "appId", Value: name},
		{Key: "appVersion", Value: a.version},
		{Key: "platform", Value: platform(runtime.GOOS)},
		{Key: "platformVersion", Value: "unknown"},
		{Key: "sdk", Value: "Go"},
		{Key: "sdkVersion", Value: sdkVersion},
		{Key: "cpuArch", Value: cpu(runtime.GOARCH)},
		{Key: "deviceName", Value: "unknown"},
		{Key: "deviceVersion", Value: "unknown"},
		{Key: "frameworkName", Value: "Go"},
		{Key: "frameworkVersion", Value: runtime.Version()},
	}
	a.mu.Lock()
	stored := a.deviceID
	a.mu.Unlock()
	if id, err := bson.ObjectIDFromHex(stored); err == nil {
		d = append(d, bson.E{Key: "deviceId", Value: id})
	}
	return d
}

func platform(goos string) string {
	switch goos {
	case "android":
		return "Android"
	case "darwin":
		return "macOS"
	case "ios":
		return "iOS"
	case "linux":
		return "Linux"
	case "windows":
		return "Windows"
	}
	return "unknown"
}

func cpu(goarch string) string {
	switch goarch {
	case "386":
		return "x86"
	case "amd64":
		return "x86_64"
	case "arm", "arm64":
		return goarch
	}
	return "unknown"
}
