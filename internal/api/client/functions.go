package client

import (
	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/ejson"
	"regent/internal/fault"
)

// invocation is the body of functions/call (client-api.md §1.16).
type invocation struct {
	name    string
	service string // empty for the app's own functions
	args    []bson.RawValue
}

// parseInvocation reads a functions/call request. Unknown members are ignored.
func parseInvocation(text []byte) (invocation, error) {
	bad := func(why string) (invocation, error) {
		return invocation{}, fault.New(fault.BadRequest, "invalid function call request: %s", why)
	}
	d, err := ejson.ParseDocument(text)
	if err != nil {
		return bad(err.Error())
	}
	elems, err := d.Elements()
	if err != nil {
		return bad(err.Error())
	}
	var inv invocation
	for _, e := range elems {
		v := e.Value()
		switch e.Key() {
		case "name":
			s, ok := v.StringValueOK()
			if !ok {
				return bad("'name' must be a string")
			}
			inv.name = s
		case "service":
			if v.Type == bson.TypeNull {
				break
			}
			s, ok := v.StringValueOK()
			if !ok {
				return bad("'service' must be a string")
			}
			inv.service = s
		case "arguments":
			if v.Type == bson.TypeNull {
				break
			}
			a, ok := v.ArrayOK()
			if !ok {
				return bad("'arguments' must be an array")
			}
			if inv.args, err = a.Values(); err != nil {
				return bad(err.Error())
			}
		}
	}
	if inv.name == "" {
		return bad("'name' is missing")
	}
	return inv, nil
}

// argument is the one document that a service action takes.
func (i invocation) argument() (bson.Raw, error) {
	if len(i.args) == 1 {
		if d, ok := i.args[0].DocumentOK(); ok {
			return d, nil
		}
	}
	return nil, fault.New(fault.ArgumentsNotAllowed, "%s takes exactly one argument, a document", i.name)
}

// callFunction calls a function of the app or an action of a service.
func (c *call) callFunction() error {
	text, err := c.bodyText()
	if err != nil {
		return err
	}
	inv, err := parseInvocation(text)
	if err != nil {
		return err
	}
	var result bson.RawValue
	if inv.service == "" {
		result, err = c.b.Functions.CallAsClient(c.ctx, c.caller(), inv.name, inv.args)
	} else {
		c.info.Service, c.info.Action = inv.service, inv.name
		var arg bson.Raw
		if arg, err = inv.argument(); err == nil {
			result, err = c.b.Data.Do(c.ctx, c.caller(), inv.service, inv.name, arg)
		}
	}
	if err != nil {
		return err
	}
	return c.value(result)
}
