package auth

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"

	"regent/internal/app"
	"regent/internal/caller"
)

// Check says which enabled providers of an app cannot be used, and why, without
// serving it. Nobody is asked over the network.
func Check(a *app.App) []app.Problem {
	s := &Service{
		Config: Config{App: a, HTTP: http.DefaultClient, Now: time.Now, Functions: notAsked{}, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))},
	}
	s.settings = settingsOf(a)
	var problems []app.Problem
	for _, p := range a.Providers {
		if p.Disabled {
			continue
		}
		open := opener(p.Name)
		if open == nil {
			problems = append(problems, p.Warn("authentication provider '%s' is not known: log-ins by it are refused", p.Name))
			continue
		}
		if _, err := open(s, p); err != nil {
			problems = append(problems, p.Warn("authentication provider '%s' cannot be used: %v", p.Name, err))
		}
	}
	return problems
}

// notAsked stands for functions while configurations are only looked at.
type notAsked struct{}

func (notAsked) Call(context.Context, caller.Caller, string, []bson.RawValue) (bson.RawValue, error) {
	return bson.RawValue{}, errors.New("functions are not called during a check")
}
