package client

import (
	"net/http"
	"strings"
)

// location answers where the app lives (client-api.md §1.3): here. Neither
// origin has a trailing slash, clients concatenate them with paths.
func (c *call) location() error {
	origin := c.publicURL(c.r)
	model, location := c.b.App.DeploymentModel, c.b.App.Location
	if model == "" {
		model = "GLOBAL"
	}
	if location == "" {
		location = "US-VA"
	}
	return c.object(http.StatusOK, struct {
		DeploymentModel string `json:"deployment_model"`
		Location        string `json:"location"`
		Hostname        string `json:"hostname"`
		WSHostname      string `json:"ws_hostname"`
	}{model, location, origin, "ws" + strings.TrimPrefix(origin, "http")})
}
