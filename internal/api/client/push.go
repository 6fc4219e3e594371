package client

import (
	"net/http"

	"regent/internal/fault"
)

// The push routes of client-api.md §1.20.

func (c *call) pushRegister() error {
	push, service, err := c.pushService()
	if err != nil {
		return err
	}
	body, err := c.body()
	if err != nil {
		return err
	}
	token, err := stringField(body, "registrationToken")
	if err != nil {
		return err
	}
	if err := push.Register(c.ctx, c.session, service, token, body); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) pushDeregister() error {
	push, service, err := c.pushService()
	if err != nil {
		return err
	}
	if err := push.Deregister(c.ctx, c.session, service); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) pushService() (Push, string, error) {
	service := c.r.PathValue("service")
	if c.b.Push == nil {
		return nil, "", fault.New(fault.ServiceNotFound, "service not found: '%s'", service)
	}
	return c.b.Push, service, nil
}
