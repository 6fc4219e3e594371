package auth

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo/options"

	"regent/internal/ejson"
	"regent/internal/user"
)

// ExportFile writes all users to a new file that only its owner may read: it
// holds password hashes.
func (s *Service) ExportFile(ctx context.Context, path string) (int, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	n, err := s.Export(ctx, f)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		os.Remove(path)
	}
	return n, err
}

// Export writes users, hashes included, one JSON object on each line, as Import
// reads them. Registrations that have no user yet come last. It returns the
// number of lines.
func (s *Service) Export(ctx context.Context, w io.Writer) (int, error) {
	out := bufio.NewWriter(w)
	lines := 0
	put := func(d bson.D) error {
		raw, err := bson.Marshal(d)
		if err != nil {
			return err
		}
		text, err := ejson.AppendRelaxed(nil, bson.RawValue{Type: bson.TypeEmbeddedDocument, Value: raw})
		if err != nil {
			return err
		}
		lines++
		_, err = out.Write(append(text, '\n'))
		return err
	}
	if err := s.exportUsers(ctx, put); err != nil {
		return lines, fmt.Errorf("exporting users: %w", err)
	}
	if err := s.exportRegistrations(ctx, put); err != nil {
		return lines, fmt.Errorf("exporting registrations: %w", err)
	}
	return lines, out.Flush()
}

// exportBatch is how many documents are in memory at once.
const exportBatch = 200

func (s *Service) exportUsers(ctx context.Context, put func(bson.D) error) error {
	last := bson.NilObjectID
	for {
		cursor, err := s.store.users.Find(ctx, bson.D{{Key: "app", Value: s.Domain}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: last}}}},
			options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(exportBatch))
		if err != nil {
			return err
		}
		var batch []record
		if err := cursor.All(ctx, &batch); err != nil {
			return err
		}
		if len(batch) == 0 {
			return nil
		}
		last = batch[len(batch)-1].ID
		var accountIDs, userIDs bson.A
		for _, r := range batch {
			userIDs = append(userIDs, r.ID)
			for _, id := range r.Identities {
				if id.ProviderType == user.LocalUserpass {
					if oid, err := bson.ObjectIDFromHex(id.ID); err == nil {
						accountIDs = append(accountIDs, oid)
					}
				}
			}
		}
		hashes := map[string]string{}
		if err := readAll(ctx, s.store.accounts, accountIDs, func(a account) { hashes[a.ID.Hex()] = a.Hash }); err != nil {
			return err
		}
		keys := map[bson.ObjectID][]keyDocument{}
		cursor, err = s.store.apiKeys.Find(ctx, bson.D{{Key: "user", Value: bson.D{{Key: "$in", Value: userIDs}}}})
		if err != nil {
			return err
		}
		var docs []keyDocument
		if err := cursor.All(ctx, &docs); err != nil {
			return err
		}
		for _, k := range docs {
			keys[k.User] = append(keys[k.User], k)
		}
		for i := range batch {
			if err := put(exported(batch[i].shape(), hashes, keys[batch[i].ID])); err != nil {
				return err
			}
		}
	}
}

func exported(r *record, hashes map[string]string, keys []keyDocument) bson.D {
	identities := bson.A{}
	for _, id := range r.Identities {
		data := id.Data
		if len(data) == 0 {
			data = emptyDocument
		}
		d := bson.D{{Key: "id", Value: id.ID}, {Key: "provider_type", Value: id.ProviderType}, {Key: "provider_id", Value: id.ProviderID}, {Key: "provider_data", Value: data}}
		if id.ProviderType == user.LocalUserpass && hashes[id.ID] != "" {
			d = append(d, bson.E{Key: "password_hash", Value: hashes[id.ID]})
		}
		identities = append(identities, d)
	}
	d := bson.D{
		{Key: "_id", Value: r.ID.Hex()}, {Key: "type", Value: string(r.Type)}, {Key: "disabled", Value: r.Disabled},
		{Key: "creation_date", Value: r.Created.Unix()},
	}
	if r.LastLogin != nil {
		d = append(d, bson.E{Key: "last_authentication_date", Value: r.LastLogin.Unix()})
	}
	d = append(d, bson.E{Key: "data", Value: r.view.Data}, bson.E{Key: "identities", Value: identities})
	if len(keys) > 0 {
		list := bson.A{}
		for _, k := range keys {
			list = append(list, bson.D{{Key: "_id", Value: k.ID.Hex()}, {Key: "name", Value: k.Name}, {Key: "disabled", Value: k.Disabled}, {Key: "hash", Value: hex.EncodeToString(k.Hash)}})
		}
		d = append(d, bson.E{Key: "api_keys", Value: list})
	}
	return d
}

// exportRegistrations writes the accounts that no user has: pending ones and
// those that never logged in.
func (s *Service) exportRegistrations(ctx context.Context, put func(bson.D) error) error {
	last := bson.NilObjectID
	for {
		cursor, err := s.store.accounts.Find(ctx, bson.D{{Key: "app", Value: s.Domain}, {Key: "_id", Value: bson.D{{Key: "$gt", Value: last}}}},
			options.Find().SetSort(bson.D{{Key: "_id", Value: 1}}).SetLimit(exportBatch))
		if err != nil {
			return err
		}
		var batch []account
		if err := cursor.All(ctx, &batch); err != nil {
			return err
		}
		if len(batch) == 0 {
			return nil
		}
		last = batch[len(batch)-1].ID
		var logins bson.A
		for _, a := range batch {
			logins = append(logins, loginKey(user.LocalUserpass, a.ID.Hex()))
		}
		cursor, err = s.store.users.Find(ctx, bson.D{{Key: "app", Value: s.Domain}, {Key: "logins", Value: bson.D{{Key: "$in", Value: logins}}}})
		if err != nil {
			return err
		}
		owned := map[string]bool{}
		var owners []record
		if err := cursor.All(ctx, &owners); err != nil {
			return err
		}
		for _, r := range owners {
			for _, l := range r.Logins {
				owned[l] = true
			}
		}
		for _, a := range batch {
			if owned[loginKey(user.LocalUserpass, a.ID.Hex())] {
				continue
			}
			d := bson.D{{Key: "email", Value: a.Email}, {Key: "confirmed", Value: a.State == confirmed}, {Key: "created", Value: a.Created.Unix()}}
			if a.Hash != "" {
				d = append(d, bson.E{Key: "password_hash", Value: a.Hash})
			}
			if err := put(d); err != nil {
				return err
			}
		}
	}
}
