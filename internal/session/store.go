package session

import (
	"context"
	"errors"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
)

// Stored is a session as it lies in __regent.sessions.
type Stored struct {
	ID         bson.ObjectID `bson:"_id"`
	App        bson.ObjectID `bson:"app"`
	User       bson.ObjectID `bson:"user"`
	Identity   Identity      `bson:"identity"` // by which it was opened
	Device     bson.ObjectID `bson:"device"`   // zero: none
	DeviceInfo *DeviceInfo   `bson:"device_info,omitempty"`
	Created    time.Time     `bson:"created"`
	Used       time.Time     `bson:"used"` // exact to five minutes
	Address    string        `bson:"address"`
	Expires    *time.Time    `bson:"expires,omitempty"` // absent: never

	first bool // it lies in its user's document
}

// Identity names the identity that opened a session.
type Identity struct {
	ID           string `bson:"id"`
	ProviderType string `bson:"provider_type"`
	ProviderID   string `bson:"provider_id"`
}

// DeviceInfo is what a client says of its device (client-api.md §1.5.2).
type DeviceInfo struct {
	AppID            string `bson:"app_id,omitempty"`
	AppVersion       string `bson:"app_version,omitempty"`
	Platform         string `bson:"platform,omitempty"`
	PlatformVersion  string `bson:"platform_version,omitempty"`
	SDK              string `bson:"sdk,omitempty"`
	SDKVersion       string `bson:"sdk_version,omitempty"`
	CPUArch          string `bson:"cpu_arch,omitempty"`
	DeviceName       string `bson:"device_name,omitempty"`
	DeviceVersion    string `bson:"device_version,omitempty"`
	FrameworkName    string `bson:"framework_name,omitempty"`
	FrameworkVersion string `bson:"framework_version,omitempty"`
	CoreVersion      string `bson:"core_version,omitempty"`
	BundleID         string `bson:"bundle_id,omitempty"`
}

// DeviceField is one of DeviceInfo's: what clients call it, and how it is stored.
type DeviceField struct {
	Sent, Stored string
	Of           func(*DeviceInfo) *string
}

// DeviceFields are all fields of DeviceInfo, in its order.
func DeviceFields() []DeviceField { return deviceFields[:] }

var deviceFields = [...]DeviceField{
	{"appId", "app_id", func(d *DeviceInfo) *string { return &d.AppID }},
	{"appVersion", "app_version", func(d *DeviceInfo) *string { return &d.AppVersion }},
	{"platform", "platform", func(d *DeviceInfo) *string { return &d.Platform }},
	{"platformVersion", "platform_version", func(d *DeviceInfo) *string { return &d.PlatformVersion }},
	{"sdk", "sdk", func(d *DeviceInfo) *string { return &d.SDK }},
	{"sdkVersion", "sdk_version", func(d *DeviceInfo) *string { return &d.SDKVersion }},
	{"cpuArch", "cpu_arch", func(d *DeviceInfo) *string { return &d.CPUArch }},
	{"deviceName", "device_name", func(d *DeviceInfo) *string { return &d.DeviceName }},
	{"deviceVersion", "device_version", func(d *DeviceInfo) *string { return &d.DeviceVersion }},
	{"frameworkName", "framework_name", func(d *DeviceInfo) *string { return &d.FrameworkName }},
	{"frameworkVersion", "framework_version", func(d *DeviceInfo) *string { return &d.FrameworkVersion }},
	{"coreVersion", "core_version", func(d *DeviceInfo) *string { return &d.CoreVersion }},
	{"bundleId", "bundle_id", func(d *DeviceInfo) *string { return &d.BundleID }},
}

// usedEvery bounds the writes that noting a session's last use costs.
const usedEvery = 5 * time.Minute

// listed bounds List.
const listed = 1000

func ensureIndexes(ctx context.Context, sessions, keys *mongo.Collection) error {
	_, err := sessions.Indexes().CreateMany(ctx, []mongo.IndexModel{
		{Keys: bson.D{{Key: "user", Value: 1}}},
		{Keys: bson.D{{Key: "expires", Value: 1}}, Options: options.Index().SetExpireAfterSeconds(0)},
	})
	if err != nil {
		return err
	}
	_, err = keys.Indexes().CreateOne(ctx, mongo.IndexModel{Keys: bson.D{{Key: "app", Value: 1}}})
	return err
}

// kept is what of a session is held in memory: what its device told of itself is
// for lists only.
func (st *Stored) kept() *Stored {
	k := *st
	k.DeviceInfo = nil
	return &k
}

func (s *Service) find(ctx context.Context, id bson.ObjectID) (*Stored, error) {
	var st Stored
	err := s.sessions.FindOne(ctx, bson.D{{Key: "_id", Value: id}}).Decode(&st)
	if errors.Is(err, mongo.ErrNoDocuments) {
		first, err := s.findFirst(ctx, id)
		if err != nil {
			return nil, err
		}
		st = *first
	} else if err != nil {
		return nil, err
	}
	return st.kept(), nil
}

// note records the last use, at most every usedEvery.
func (s *Service) note(ctx context.Context, st *Stored, address string) {
	now := s.now()
	if now.Sub(st.Used) < usedEvery {
		return
	}
	fresh := *st
	fresh.Used = now
	if address != "" {
		fresh.Address = address
	}
	var res *mongo.UpdateResult
	var err error
	if st.first {
		res, err = s.users.UpdateOne(ctx, hasFirst(st.User), bson.D{{Key: "$set", Value: bson.D{
			{Key: FirstField + ".used", Value: now}, {Key: FirstField + ".address", Value: fresh.Address},
		}}})
	} else {
		res, err = s.sessions.UpdateOne(ctx, bson.D{{Key: "_id", Value: st.ID}},
			bson.D{{Key: "$set", Value: bson.D{{Key: "used", Value: now}, {Key: "address", Value: fresh.Address}}}})
	}
	if err != nil {
		s.logger.Warn("a session's last use was not recorded", "session", st.ID.Hex(), "error", err)
		return
	}
	s.known.Evict(st.ID)
	if res.MatchedCount == 0 {
		s.logger.Debug("a session ended while it was used", "session", st.ID.Hex())
	}
}

// Revoke ends one session. It reports whether there was one.
func (s *Service) Revoke(ctx context.Context, app, id bson.ObjectID) (bool, error) {
	res, err := s.sessions.DeleteOne(ctx, bson.D{{Key: "_id", Value: id}, {Key: "app", Value: app}})
	// Evicted after the delete, or a reader could bring the old document back.
	s.known.Evict(id)
	if err != nil {
		return false, err
	}
	if res.DeletedCount == 1 {
		return true, nil
	}
	return s.endFirst(ctx, app, id)
}

// RevokeUser ends all sessions of a user and returns how many there were.
func (s *Service) RevokeUser(ctx context.Context, app, user bson.ObjectID) (int64, error) {
	first, err := s.endFirst(ctx, app, user)
	if err != nil {
		return 0, err
	}
	ended, err := s.revoke(ctx, bson.D{{Key: "user", Value: user}, {Key: "app", Value: app}})
	if first {
		ended++
	}
	return ended, err
}

// RevokeIdentity ends the sessions that one identity of a user opened, as when
// an API key is deleted. First sessions are never an API key's.
func (s *Service) RevokeIdentity(ctx context.Context, app, user bson.ObjectID, provider, id string) (int64, error) {
	return s.revoke(ctx, bson.D{{Key: "user", Value: user}, {Key: "app", Value: app},
		{Key: "identity.provider_type", Value: provider}, {Key: "identity.id", Value: id}})
}

func (s *Service) revoke(ctx context.Context, filter bson.D) (int64, error) {
	var ended int64
	for {
		cursor, err := s.sessions.Find(ctx, filter, options.Find().SetLimit(listed))
		if err != nil {
			return ended, err
		}
		var docs []struct {
			ID bson.ObjectID `bson:"_id"`
		}
		if err := cursor.All(ctx, &docs); err != nil {
			return ended, err
		}
		if len(docs) == 0 {
			return ended, nil
		}
		ids := make(bson.A, len(docs))
		for i, d := range docs {
			ids[i] = d.ID
		}
		res, err := s.sessions.DeleteMany(ctx, bson.D{{Key: "_id", Value: bson.D{{Key: "$in", Value: ids}}}})
		for _, d := range docs {
			s.known.Evict(d.ID)
		}
		if err != nil {
			return ended, err
		}
		ended += res.DeletedCount
	}
}

// List returns a user's sessions, the newest first, at most 1000 and the one that
// was opened by creating the user.
func (s *Service) List(ctx context.Context, app, user bson.ObjectID) ([]Stored, error) {
	cursor, err := s.sessions.Find(ctx, bson.D{{Key: "user", Value: user}, {Key: "app", Value: app}},
		options.Find().SetSort(bson.D{{Key: "_id", Value: -1}}).SetLimit(listed))
	if err != nil {
		return nil, err
	}
	out := []Stored{}
	if err := cursor.All(ctx, &out); err != nil {
		return nil, err
	}
	first, err := s.findFirst(ctx, user)
	if errors.Is(err, errNoSession) {
		return out, nil
	}
	if err != nil {
		return nil, err
	}
	if first.App == app && (first.Expires == nil || s.now().Before(*first.Expires)) {
		out = append(out, *first)
	}
	return out, nil
}
