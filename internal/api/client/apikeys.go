package client

import "net/http"

// The API key routes of client-api.md §1.15; all take the refresh token.

func (c *call) createAPIKey() error {
	body, err := c.body()
	if err != nil {
		return err
	}
	name, err := stringField(body, "name")
	if err != nil {
		return err
	}
	key, err := c.b.Accounts.CreateAPIKey(c.ctx, c.token, name)
	if err != nil {
		return err
	}
	return c.object(http.StatusCreated, key)
}

func (c *call) listAPIKeys() error {
	keys, err := c.b.Accounts.APIKeys(c.ctx, c.token)
	if err != nil {
		return err
	}
	if keys == nil {
		keys = []APIKey{} // realm-web compares with [], never null
	}
	return c.object(http.StatusOK, keys)
}

func (c *call) getAPIKey() error {
	key, err := c.b.Accounts.APIKey(c.ctx, c.token, c.r.PathValue("id"))
	if err != nil {
		return err
	}
	return c.object(http.StatusOK, key)
}

func (c *call) deleteAPIKey() error {
	if err := c.b.Accounts.DeleteAPIKey(c.ctx, c.token, c.r.PathValue("id")); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

func (c *call) enableAPIKey() error  { return c.setAPIKeyDisabled(false) }
func (c *call) disableAPIKey() error { return c.setAPIKeyDisabled(true) }

func (c *call) setAPIKeyDisabled(disabled bool) error {
	if err := c.b.Accounts.SetAPIKeyDisabled(c.ctx, c.token, c.r.PathValue("id"), disabled); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}
