package auth

import (
	"bufio"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/auth/password"
	"regent/internal/ejson"
	"regent/internal/user"
)

// Import reads users as JSON lines, in any mix of two shapes. The first is the
// user list of App Services' admin API, with additions that Export writes:
//
//	{"_id": "<24 hex>", "type": "normal", "disabled": false, "creation_date": 1700000000, "last_authentication_date": 1700000000,
//	 "data": {…}, "identities": [{"id": "…", "provider_type": "local-userpass", "provider_data": {"email": "…"}, "password_hash": "$2b$…"}],
//	 "api_keys": [{"_id": "<24 hex>", "name": "…", "disabled": false, "hash": "<64 hex>"}]}
//
// The second is plain and describes an e-mail user:
//
//	{"id": "<24 hex, optional>", "email": "…", "password_hash": "$argon2id$…", "disabled": false, "confirmed": true, "created": …, "data": {…}}
//
// User ids are kept, because documents refer to them. A user that is there
// already stays as it is, so that an import can be repeated. A user is written
// with everything that belongs to it in one transaction, where the deployment
// has these; else the user goes before what it logs in by.

// Bounds of an import.
const (
	maxImportLine = 1 << 20
	importBatch   = 100
)

// ImportReport counts what an import did.
type ImportReport struct {
	Lines     int
	Created   int
	Unchanged int // there already
	Refused   int
}

// ImportOptions listen to an import.
type ImportOptions struct {
	Refused  func(line int, reason error) // every line that was not taken
	Progress func(ImportReport)           // after every batch
}

// imported is one line, understood.
type imported struct {
	line     int
	record   *record // nil: a registration without a user
	accounts []account
	keys     []keyDocument
}

// Import adds users; it needs memory for one batch, however long the input is.
func (s *Service) Import(ctx context.Context, r io.Reader, o ImportOptions) (ImportReport, error) {
	var report ImportReport
	refuse := func(line int, reason error) {
		report.Refused++
		if o.Refused != nil {
			o.Refused(line, reason)
		}
	}
	var batch []*imported
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := s.importBatch(ctx, batch, &report, refuse)
		batch = batch[:0]
		if o.Progress != nil {
			o.Progress(report)
		}
		return err
	}
	lines := bufio.NewReaderSize(r, 64<<10)
	for {
		text, tooLong, err := readLine(lines)
		if err != nil && !errors.Is(err, io.EOF) {
			return report, fmt.Errorf("reading line %d: %w", report.Lines+1, err)
		}
		end := err != nil
		if len(text) > 0 || !end {
			report.Lines++
		}
		if text = bytes.TrimSpace(text); tooLong {
			refuse(report.Lines, fmt.Errorf("the line has more than %d bytes", maxImportLine))
		} else if len(text) > 0 {
			if u, err := s.parseImport(text); err != nil {
				refuse(report.Lines, err)
			} else {
				u.line = report.Lines
				batch = append(batch, u)
			}
		}
		if len(batch) == importBatch || end {
			if err := flush(); err != nil {
				return report, err
			}
		}
		if end {
			return report, nil
		}
	}
}

// readLine returns a line without its end; of a line above the bound only that
// it was too long.
func readLine(r *bufio.Reader) (line []byte, tooLong bool, err error) {
	for {
		part, err := r.ReadSlice('\n')
		if len(line)+len(part) > maxImportLine {
			line, tooLong = line[:0], true
		} else if !tooLong {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, tooLong, err
		}
	}
}

func (s *Service) parseImport(text []byte) (*imported, error) {
	doc, err := ejson.ParseDocument(text)
	if err != nil {
		return nil, fmt.Errorf("no JSON object: %w", err)
	}
	if _, err := doc.LookupErr("identities"); err == nil {
		return s.parseListed(doc)
	}
	if _, err := doc.LookupErr("email"); err == nil {
		return s.parsePlain(doc)
	}
	return nil, errors.New("expected a user with `identities`, or one with `email`")
}

// idOf reads an id as 24 hex digits or an ObjectId.
func idOf(v bson.RawValue) (bson.ObjectID, error) {
	if id, ok := v.ObjectIDOK(); ok {
		return id, nil
	}
	t, ok := v.StringValueOK()
	if !ok {
		return bson.NilObjectID, fmt.Errorf("expected 24 hex digits, found %s", v.Type)
	}
	id, err := bson.ObjectIDFromHex(t)
	if err != nil {
		return bson.NilObjectID, fmt.Errorf("expected 24 hex digits, found %q", cut(t, 40))
	}
	return id, nil
}

// dateOf reads unix seconds, a date or RFC 3339 text; zero when absent.
func dateOf(doc bson.Raw, name string) (time.Time, error) {
	v, err := doc.LookupErr(name)
	if err != nil || v.Type == bson.TypeNull {
		return time.Time{}, nil
	}
	if n, ok := v.AsInt64OK(); ok {
		if n == 0 {
			return time.Time{}, nil
		}
		return time.Unix(n, 0), nil
	}
	if t, ok := v.TimeOK(); ok {
		return t, nil
	}
	if t, ok := v.StringValueOK(); ok {
		if at, err := time.Parse(time.RFC3339, t); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("`%s` must be unix seconds, a date or RFC 3339 text", name)
}

func (s *Service) importedRecord(doc bson.Raw, id bson.ObjectID, createdName, seenName string) (*record, error) {
	r := &record{ID: id, App: s.Domain, Type: user.Normal, Imported: true}
	r.Disabled, _ = doc.Lookup("disabled").BooleanOK()
	var err error
	if r.Created, err = dateOf(doc, createdName); err != nil {
		return nil, err
	}
	if r.Created.IsZero() {
		r.Created = id.Timestamp()
	}
	seen, err := dateOf(doc, seenName)
	if err != nil {
		return nil, err
	}
	if !seen.IsZero() {
		r.LastLogin = &seen
	}
	if d, ok := doc.Lookup("data").DocumentOK(); ok && len(d) > len(emptyDocument) {
		r.Data = d
	}
	return r, nil
}

func (s *Service) parseListed(doc bson.Raw) (*imported, error) {
	id, err := idOf(doc.Lookup("_id"))
	if err != nil {
		return nil, fmt.Errorf("`_id`: %w", err)
	}
	r, err := s.importedRecord(doc, id, "creation_date", "last_authentication_date")
	if err != nil {
		return nil, err
	}
	switch t := user.Type(optionalText(doc, "type")); t {
	case "", user.Normal:
	case user.Server:
		r.Type = t
	default:
		return nil, fmt.Errorf("`type` is %q, allowed are normal and server", t)
	}
	list, ok := doc.Lookup("identities").ArrayOK()
	if !ok {
		return nil, errors.New("`identities` must be an array")
	}
	values, err := list.Values()
	if err != nil || len(values) == 0 || len(values) > MaxIdentities {
		return nil, fmt.Errorf("a user needs 1 to %d identities", MaxIdentities)
	}
	u := &imported{record: r}
	for i, v := range values {
		d, ok := v.DocumentOK()
		if !ok {
			return nil, fmt.Errorf("`identities[%d]` must be an object", i)
		}
		if err := s.addIdentity(u, d); err != nil {
			return nil, fmt.Errorf("`identities[%d]`: %w", i, err)
		}
	}
	if err := addKeys(u, doc, s.Domain); err != nil {
		return nil, err
	}
	r.shape()
	return u, nil
}

// addIdentity adds an identity and, for e-mail users, the account behind it.
func (s *Service) addIdentity(u *imported, d bson.Raw) error {
	id, provider := optionalText(d, "id"), optionalText(d, "provider_type")
	if err := checkIdentityID(id); err != nil {
		return err
	}
	if provider == "" || len(provider) > 100 {
		return errors.New("`provider_type` is missing")
	}
	identity := user.Identity{ID: id, ProviderType: provider, ProviderID: s.providerID(provider)}
	for _, name := range []string{"provider_data", "data"} {
		if data, ok := d.Lookup(name).DocumentOK(); ok && len(data) > len(emptyDocument) {
			identity.Data = data
			break
		}
	}
	key := loginKey(provider, id)
	for _, have := range u.record.Logins {
		if have == key {
			return errors.New("the identity is listed twice")
		}
	}
	if provider == user.LocalUserpass {
		if len(u.accounts) > 0 {
			return errors.New("a user can have one e-mail account only")
		}
		oid, err := bson.ObjectIDFromHex(id)
		if err != nil {
			return errors.New("the id of a local-userpass identity must be 24 hex digits")
		}
		email := optionalText(identity.Data, "email")
		if len(identity.Data) == 0 {
			email = ""
		}
		if email == "" && len(u.record.Data) > 0 {
			email = optionalText(u.record.Data, "email")
		}
		a, err := s.importedAccount(oid, email, optionalText(d, "password_hash"), u.record.Created)
		if err != nil {
			return err
		}
		if len(identity.Data) == 0 {
			ident, err := a.identified()
			if err != nil {
				return err
			}
			identity.Data = ident.data
		}
		u.accounts = append(u.accounts, *a)
	}
	u.record.Identities = append(u.record.Identities, identity)
	u.record.Logins = append(u.record.Logins, key)
	return nil
}

func (s *Service) importedAccount(id bson.ObjectID, email, hash string, created time.Time) (*account, error) {
	if email == "" || len(email) > MaxEmail {
		return nil, errors.New("the e-mail address is missing or too long")
	}
	if hash != "" {
		if err := password.Check(hash); err != nil {
			return nil, fmt.Errorf("`password_hash`: %w", err)
		}
	}
	return &account{ID: id, App: s.Domain, Email: email, Hash: hash, State: confirmed, Created: created, Confirmed: &created}, nil
}

func addKeys(u *imported, doc bson.Raw, domain bson.ObjectID) error {
	list, ok := doc.Lookup("api_keys").ArrayOK()
	if !ok {
		return nil
	}
	values, err := list.Values()
	if err != nil {
		return errors.New("malformed `api_keys`")
	}
	for i, v := range values {
		d, ok := v.DocumentOK()
		if !ok {
			return fmt.Errorf("`api_keys[%d]` must be an object", i)
		}
		id, err := idOf(d.Lookup("_id"))
		if err != nil {
			return fmt.Errorf("`api_keys[%d]._id`: %w", i, err)
		}
		hash, err := hex.DecodeString(optionalText(d, "hash"))
		if err != nil || len(hash) != 32 {
			return fmt.Errorf("`api_keys[%d].hash` must be 64 hex digits", i)
		}
		k := keyDocument{ID: id, App: domain, Owner: u.record.ID, User: u.record.ID, Name: optionalText(d, "name"), Hash: hash}
		if u.record.Type == user.Server {
			k.Owner, k.Server = domain, true
		}
		k.Disabled, _ = d.Lookup("disabled").BooleanOK()
		if !keyName.MatchString(k.Name) || len(k.Name) > MaxKeyName {
			return fmt.Errorf("`api_keys[%d].name` can only contain ASCII letters, numbers, underscores, and hyphens", i)
		}
		u.keys = append(u.keys, k)
	}
	return nil
}

func (s *Service) parsePlain(doc bson.Raw) (*imported, error) {
	userID := bson.NilObjectID
	for _, name := range []string{"id", "_id"} {
		if v, err := doc.LookupErr(name); err == nil {
			if userID, err = idOf(v); err != nil {
				return nil, fmt.Errorf("`%s`: %w", name, err)
			}
			break
		}
	}
	email := optionalText(doc, "email")
	// Without an id the same line must name the same user when it comes again.
	if userID.IsZero() {
		userID = derivedID(s.Domain, "imported user "+email)
	}
	r, err := s.importedRecord(doc, userID, "created", "last_login")
	if err != nil {
		return nil, err
	}
	if _, err := doc.LookupErr("created"); err != nil {
		r.Created = s.Now()
	}
	a, err := s.importedAccount(derivedID(s.Domain, "imported account "+userID.Hex()), email, optionalText(doc, "password_hash"), r.Created)
	if err != nil {
		return nil, err
	}
	u := &imported{accounts: []account{*a}}
	if c, ok := doc.Lookup("confirmed").BooleanOK(); ok && !c {
		u.accounts[0].State, u.accounts[0].Confirmed = pending, nil
		return u, nil
	}
	ident, err := a.identified()
	if err != nil {
		return nil, err
	}
	r.Identities = []user.Identity{{ID: ident.id, ProviderType: user.LocalUserpass, ProviderID: s.providerID(user.LocalUserpass), Data: ident.data}}
	r.Logins = []string{loginKey(user.LocalUserpass, ident.id)}
	u.record = r.shape()
	return u, nil
}

// importBatch writes a batch. Users that are there already are told apart first;
// then the batch goes in one transaction and, if that is refused, one by one, so
// that a bad line costs only itself.
func (s *Service) importBatch(ctx context.Context, batch []*imported, report *ImportReport, refuse func(int, error)) error {
	there, err := s.present(ctx, batch)
	if err != nil {
		return err
	}
	var rest []*imported
	for _, u := range batch {
		switch state := there[u]; state {
		case "":
			rest = append(rest, u)
		case unchanged:
			report.Unchanged++
		default:
			refuse(u.line, errors.New(state))
		}
	}
	if len(rest) == 0 {
		return nil
	}
	if s.insertImported(ctx, rest) == nil {
		report.Created += len(rest)
		return nil
	}
	for _, u := range rest {
		err := s.insertImported(ctx, []*imported{u})
		switch {
		case err == nil:
			report.Created++
		case mongo.IsDuplicateKeyError(err):
			refuse(u.line, duplicateReason(err))
		case ctx.Err() != nil:
			return ctx.Err()
		default:
			return fmt.Errorf("line %d: %w", u.line, err)
		}
	}
	return nil
}

const unchanged = "unchanged"

// present says of each user of a batch whether it is there already, or why it
// cannot be taken.
func (s *Service) present(ctx context.Context, batch []*imported) (map[*imported]string, error) {
	var ids, accountIDs bson.A
	for _, u := range batch {
		if u.record != nil {
			ids = append(ids, u.record.ID)
		}
		for _, a := range u.accounts {
			accountIDs = append(accountIDs, a.ID)
		}
	}
	users := map[bson.ObjectID]record{}
	if err := readAll(ctx, s.store.users, ids, func(r record) { users[r.ID] = r }); err != nil {
		return nil, err
	}
	accounts := map[bson.ObjectID]account{}
	if err := readAll(ctx, s.store.accounts, accountIDs, func(a account) { accounts[a.ID] = a }); err != nil {
		return nil, err
	}
	out := map[*imported]string{}
	for _, u := range batch {
		if u.record == nil {
			if _, ok := accounts[u.accounts[0].ID]; ok {
				out[u] = unchanged
			}
			continue
		}
		have, ok := users[u.record.ID]
		if !ok {
			continue
		}
		if have.App != s.Domain {
			out[u] = fmt.Sprintf("the user id %s belongs to a user of another app", have.ID.Hex())
			continue
		}
		// An import that was interrupted where there are no transactions may
		// have left the accounts out.
		for _, a := range u.accounts {
			if _, ok := accounts[a.ID]; !ok && has(have.Logins, loginKey(user.LocalUserpass, a.ID.Hex())) {
				if _, err := s.store.accounts.InsertOne(ctx, a); err != nil && !mongo.IsDuplicateKeyError(err) {
					return nil, err
				}
			}
		}
		out[u] = unchanged
	}
	return out, nil
}

func has(list []string, s string) bool {
	for _, e := range list {
		if e == s {
			return true
		}
	}
	return false
}

func readAll[T any](ctx context.Context, coll *mongo.Collection, ids bson.A, each func(T)) error {
	if len(ids) == 0 {
		return nil
	}
	cursor, err := coll.Find(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
	if err != nil {
		return err
	}
	var docs []T
	if err := cursor.All(ctx, &docs); err != nil {
		return err
	}
	for _, d := range docs {
		each(d)
	}
	return nil
}

func (s *Service) insertImported(ctx context.Context, batch []*imported) error {
	var users, accounts, keys []any
	for _, u := range batch {
		if u.record != nil {
			users = append(users, u.record)
		}
		for i := range u.accounts {
			accounts = append(accounts, &u.accounts[i])
		}
		for i := range u.keys {
			keys = append(keys, &u.keys[i])
		}
	}
	// The user first: without its credentials it is harmless.
	write := func(ctx context.Context) error {
		for _, w := range []struct {
			coll *mongo.Collection
			docs []any
		}{{s.store.users, users}, {s.store.accounts, accounts}, {s.store.apiKeys, keys}} {
			if len(w.docs) == 0 {
				continue
			}
			if _, err := w.coll.InsertMany(ctx, w.docs); err != nil {
				return err
			}
		}
		return nil
	}
	if len(accounts)+len(keys) == 0 && len(users) == 1 {
		return write(ctx)
	}
	sess, err := s.DB.Client().StartSession()
	if err != nil {
		return err
	}
	defer sess.EndSession(context.WithoutCancel(ctx))
	_, err = sess.WithTransaction(ctx, func(ctx context.Context) (any, error) { return nil, write(ctx) })
	if !withoutTransactions(err) {
		return err
	}
	if len(batch) > 1 {
		return err // one by one, so that what was written can be taken back
	}
	if err := write(ctx); err != nil {
		s.takeBack(context.WithoutCancel(ctx), batch[0])
		return err
	}
	return nil
}

// withoutTransactions says whether a deployment refused because it has none: a
// standalone server.
func withoutTransactions(err error) bool {
	var c mongo.CommandError
	return errors.As(err, &c) && (c.Code == 20 || c.Code == 263 || c.Code == 59 || c.Code == 238)
}

// takeBack removes what was written of a user that could not be written whole.
func (s *Service) takeBack(ctx context.Context, u *imported) {
	var errs []error
	remove := func(coll *mongo.Collection, filter bson.D) {
		_, err := coll.DeleteOne(ctx, filter)
		errs = append(errs, err)
	}
	if u.record != nil {
		remove(s.store.users, bson.D{{Key: "_id", Value: u.record.ID}, {Key: "app", Value: s.Domain}, {Key: "logins", Value: u.record.Logins}})
	}
	for _, a := range u.accounts {
		remove(s.store.accounts, bson.D{{Key: "_id", Value: a.ID}, {Key: "app", Value: s.Domain}, {Key: "email", Value: a.Email}})
	}
	for _, k := range u.keys {
		remove(s.store.apiKeys, bson.D{{Key: "_id", Value: k.ID}, {Key: "app", Value: s.Domain}, {Key: "hash", Value: k.Hash}})
	}
	if err := errors.Join(errs...); err != nil {
		s.Logger.Error("a refused user was not removed completely; importing its line again completes it", "line", u.line, "error", err)
	}
}

func duplicateReason(err error) error {
	text := err.Error()
	switch {
	case strings.Contains(text, "email"):
		return errors.New("the e-mail address belongs to another account")
	case strings.Contains(text, "logins"):
		return errors.New("one of its identities belongs to another user")
	case strings.Contains(text, "hash"):
		return errors.New("one of its API keys is another user's")
	}
	return errors.New("its id, or one of its accounts' or keys' ids, is taken")
}
