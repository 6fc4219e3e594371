package auth

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// App is an entry of __regent.apps:
//
//	{_id: <domain id>, app_id, name, derived: <name, only when the id was made here>, created}
type App struct {
	Domain  bson.ObjectID `bson:"_id"` // baas_domain_id of the app's tokens
	ID      string        `bson:"app_id"`
	Name    string        `bson:"name"`
	Derived string        `bson:"derived,omitempty"`
	Created time.Time     `bson:"created"`
}

// EnsureApp returns the entry of an app and makes it at the first start. An app
// that names no id gets one from its name and five letters, and keeps it.
// Processes that start at once agree.
func EnsureApp(ctx context.Context, db *mongo.Database, random io.Reader, name, wantID string) (App, error) {
	apps := db.Collection(appsCollection)
	_, err := apps.Indexes().CreateMany(ctx, []mongo.IndexModel{
		{Keys: ascending("app_id"), Options: options.Index().SetUnique(true)},
		{Keys: ascending("derived"), Options: options.Index().SetUnique(true).SetSparse(true)},
	})
	if err != nil {
		return App{}, fmt.Errorf("preparing the list of apps: %w", err)
	}
	filter := bson.D{{Key: "app_id", Value: wantID}}
	if wantID == "" {
		filter = bson.D{{Key: "derived", Value: name}}
	}
	for attempt := 0; ; attempt++ {
		var a App
		err := apps.FindOne(ctx, filter).Decode(&a)
		if err == nil {
			return a, nil
		}
		if !errors.Is(err, mongo.ErrNoDocuments) {
			return App{}, fmt.Errorf("reading the list of apps: %w", err)
		}
		a = App{Domain: bson.NewObjectID(), ID: wantID, Name: name, Created: time.Now()}
		if wantID == "" {
			suffix, err := letters(random, 5)
			if err != nil {
				return App{}, err
			}
			a.ID, a.Derived = idBase(name)+"-"+suffix, name
		}
		if _, err = apps.InsertOne(ctx, a); err == nil {
			return a, nil
		}
		if !mongo.IsDuplicateKeyError(err) || attempt == 5 {
			return App{}, fmt.Errorf("entering the app: %w", err)
		}
	}
}

// idBase makes the part of an app id before the hyphen: what may stand in a path.
func idBase(name string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(name) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
		if b.Len() == 32 {
			break
		}
	}
	if s := strings.Trim(b.String(), "-"); s != "" {
		return s
	}
	return "app"
}

// letters returns n random lowercase letters.
func letters(random io.Reader, n int) (string, error) {
	out := make([]byte, 0, n)
	var buf [32]byte
	for len(out) < n {
		if _, err := io.ReadFull(random, buf[:]); err != nil {
			return "", err
		}
		for _, b := range buf {
			// 234 = 9·26: the remainder would favour some letters.
			if b < 234 && len(out) < n {
				out = append(out, 'a'+b%26)
			}
		}
	}
	return string(out), nil
}
