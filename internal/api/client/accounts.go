package client

import (
	"net/http"
	"strings"

	"regent/internal/fault"
)

// login serves log-in and, with ?link=true, linking (client-api.md §1.5, §1.6).
func (c *call) login() error {
	body, err := c.body()
	if err != nil {
		return err
	}
	provider := c.r.PathValue("provider")
	var tokens Tokens
	if c.r.URL.Query().Get("link") == "true" {
		if err := c.linkingSession(); err != nil {
			return err
		}
		tokens, err = c.b.Accounts.Link(c.ctx, c.session, provider, body, &c.info)
	} else {
		tokens, err = c.b.Accounts.Login(c.ctx, provider, body, &c.info)
	}
	if err != nil {
		return err
	}
	return c.object(http.StatusOK, tokens)
}

// linkingSession authenticates the user that an identity is linked to; a plain
// log-in ignores the header.
func (c *call) linkingSession() error {
	token, present := bearer(c.r)
	if err := checkPresent(token, present, "unauthorized"); err != nil {
		return err
	}
	var err error
	c.session, err = c.b.Accounts.Authenticate(c.ctx, token)
	return err
}

// loginRedirect starts the redirect flow of client-api.md §1.7.
func (c *call) loginRedirect() error {
	if c.b.OAuth == nil {
		return fault.New(fault.AuthProviderNotFound, "authentication provider not found: '%s'", c.r.PathValue("provider"))
	}
	rec := &statusWriter{ResponseWriter: c.w}
	c.b.OAuth.ServeHTTP(rec, c.r)
	c.status = rec.status
	return nil
}

// statusWriter notes the status that a handler sends.
type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

func (w *statusWriter) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// userpass serves the calls of client-api.md §1.8. A client's Authorization is
// ignored: realm-web sends an unrelated user's.
func (c *call) userpass() error {
	body, err := c.body()
	if err != nil {
		return err
	}
	_, name, _ := strings.Cut(c.r.URL.Path, "/local-userpass/")
	if err := c.b.Accounts.Userpass(c.ctx, name, body, &c.info); err != nil {
		return err
	}
	if name == "register" {
		return c.empty(http.StatusCreated)
	}
	return c.empty(http.StatusNoContent)
}

// refresh issues an access token with fresh custom data (client-api.md §1.9).
func (c *call) refresh() error {
	token, err := c.b.Accounts.Refresh(c.ctx, c.token, &c.info)
	if err != nil {
		return err
	}
	return c.object(http.StatusCreated, struct {
		AccessToken string `json:"access_token"`
	}{token})
}

func (c *call) logout() error {
	if err := c.b.Accounts.Logout(c.ctx, c.token); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}

// profile sends the user's profile; `data` is relaxed EJSON, since native SDKs
// expect plain strings there (client-api.md §1.10).
func (c *call) profile() error {
	p, err := c.b.Accounts.Profile(c.ctx, c.session)
	if err != nil {
		return err
	}
	return c.relaxed(p)
}

func (c *call) deleteUser() error {
	if err := c.b.Accounts.DeleteUser(c.ctx, c.session); err != nil {
		return err
	}
	return c.empty(http.StatusNoContent)
}
