package realm

import (
	"context"

	"go.mongodb.org/mongo-driver/v2/bson"
)

// CustomData returns the user's custom data as it was when the access token
// was issued; never nil, and empty if there is none or the user is logged out.
// Changing the result changes nothing else.
func (u *User) CustomData() bson.M {
	data, err := CustomData[bson.M](u)
	if err != nil || data == nil {
		return bson.M{}
	}
	return data
}

// CustomData decodes the user's custom data into T, a struct with bson tags or
// a map. The zero T comes back when there is none.
func CustomData[T any](user *User) (T, error) {
	user.mu.Lock()
	raw := user.access.userData
	user.mu.Unlock()
	return rawAs[T](raw)
}

// RefreshCustomData fetches a new access token, which carries the custom data
// as it is now, and returns the data.
func (u *User) RefreshCustomData(ctx context.Context) (bson.M, error) {
	data, err := RefreshCustomData[bson.M](ctx, u)
	if err == nil && data == nil {
		data = bson.M{}
	}
	return data, err
}

// RefreshCustomData is [User.RefreshCustomData] decoded into T.
func RefreshCustomData[T any](ctx context.Context, user *User) (T, error) {
	// Not shared with a renewal under way: that one may have been answered
	// before the change the caller wants to see.
	next, err := user.renew(ctx)
	next.notify()
	if err != nil {
		var zero T
		return zero, err
	}
	return CustomData[T](user)
}
