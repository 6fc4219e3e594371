package auth

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"go.mongodb.org/mongo-driver/v2/bson"
	"go.mongodb.org/mongo-driver/v2/mongo"

	"regent/internal/caller"
	"regent/internal/fault"
)

// purpose says what a token is good for; one for another purpose is unknown.
type purpose string

const (
	purposeConfirm purpose = "confirm"
	purposeReset   purpose = "reset"
)

// tokenBytes of randomness make a token: 256 bits.
const tokenBytes = 32

// mailToken is a single-use token as it lies in __regent.tokens; only its hash
// is stored. The document goes when it is used or after confirmation_token_ttl.
type mailToken struct {
	ID      bson.ObjectID `bson:"_id"` // tokenId
	App     bson.ObjectID `bson:"app"`
	Account bson.ObjectID `bson:"account"`
	Purpose purpose       `bson:"purpose"`
	Hash    []byte        `bson:"hash"` // SHA-256 of the token
	Expires time.Time     `bson:"expires"`
}

// issued is a token pair as the mail or function gets it.
type issued struct {
	id     bson.ObjectID
	secret string
}

func (s *Service) newToken(ctx context.Context, a *account, why purpose) (issued, error) {
	var random [tokenBytes]byte
	if _, err := io.ReadFull(s.Rand, random[:]); err != nil {
		return issued{}, err
	}
	t := issued{id: bson.NewObjectID(), secret: hex.EncodeToString(random[:])}
	hash := sha256.Sum256([]byte(t.secret))
	_, err := s.store.tokens.InsertOne(ctx, mailToken{ID: t.id, App: s.Domain, Account: a.ID, Purpose: why, Hash: hash[:], Expires: s.Now().Add(s.settings.ConfirmationTokenTTL)})
	if err != nil {
		return issued{}, fmt.Errorf("storing a token: %w", err)
	}
	return t, nil
}

func (s *Service) dropToken(ctx context.Context, t issued) {
	if _, err := s.store.tokens.DeleteOne(context.WithoutCancel(ctx), bson.D{{Key: "_id", Value: t.id}}); err != nil {
		s.Logger.Warn("an unused token was not removed; it expires", "error", err)
	}
}

// errTokenData refuses what cannot be a token; errTokenInvalid one that is
// unknown, used, expired, or another account's (client-api.md §1.8).
func errTokenData() *fault.Error { return fault.New(fault.BadRequest, "invalid token data") }
func errTokenInvalid() *fault.Error {
	return fault.New(fault.UserpassTokenInvalid, "userpass token is expired or invalid")
}

// withToken uses up the token pair of a body and then runs f. Using up is one
// atomic deletion, so a token works once however many requests bring it; the
// comparison is of hashes, so its time says nothing of the token.
func (s *Service) withToken(ctx context.Context, body bson.Raw, why purpose, request *caller.Request, f func(account bson.ObjectID) error) error {
	secret, err := text(body, "token")
	if err != nil {
		return err
	}
	idText, err := text(body, "tokenId")
	if err != nil {
		return err
	}
	if err := s.throttleCall(ctx, countTokens, "", request); err != nil {
		return err
	}
	id, err := bson.ObjectIDFromHex(idText)
	if raw, err2 := hex.DecodeString(secret); err != nil || err2 != nil || len(raw) != tokenBytes {
		return errTokenData()
	}
	hash := sha256.Sum256([]byte(secret))
	var t mailToken
	err = s.store.tokens.FindOneAndDelete(ctx, bson.D{
		{Key: "_id", Value: id}, {Key: "app", Value: s.Domain}, {Key: "purpose", Value: why}, {Key: "hash", Value: hash[:]},
		{Key: "expires", Value: bson.D{{Key: "$gt", Value: s.Now()}}},
	}).Decode(&t)
	if errors.Is(err, mongo.ErrNoDocuments) {
		return errTokenInvalid()
	}
	if err != nil {
		return fmt.Errorf("using a token: %w", err)
	}
	return f(t.Account)
}
