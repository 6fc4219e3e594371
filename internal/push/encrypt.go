package push

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdh"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
)

// recordSize is the size of the one record that a message is, as RFC 8291 §4
// has it; push services must take this much.
const recordSize = 4096

// webOverhead is what encryption adds: header, padding delimiter and tag.
const webOverhead = 16 + 4 + 1 + 65 + 1 + 16

// encrypt makes the body of a Web Push request (RFC 8291, content encoding
// aes128gcm of RFC 8188):
//
//	| salt (16) | record size (4) | 65 | sender's public key (65) | ciphertext with tag |
//
// The sender's key is made for each message.
func encrypt(random io.Reader, s *subscription, plain []byte) ([]byte, error) {
	if len(plain) > recordSize-webOverhead {
		return nil, fmt.Errorf("the message has %d bytes, Web Push takes %d", len(plain), recordSize-webOverhead)
	}
	sender, err := ecdh.P256().GenerateKey(random)
	if err != nil {
		return nil, err
	}
	shared, err := sender.ECDH(s.key)
	if err != nil {
		return nil, err
	}
	salt := make([]byte, 16)
	if _, err := io.ReadFull(random, salt); err != nil {
		return nil, err
	}
	public := sender.PublicKey().Bytes()
	info := "WebPush: info\x00" + string(s.key.Bytes()) + string(public)
	secret, err := hkdf.Key(sha256.New, shared, s.auth, info, 32)
	if err != nil {
		return nil, err
	}
	key, err := hkdf.Key(sha256.New, secret, salt, "Content-Encoding: aes128gcm\x00", 16)
	if err != nil {
		return nil, err
	}
	nonce, err := hkdf.Key(sha256.New, secret, salt, "Content-Encoding: nonce\x00", 12)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	body := make([]byte, 0, len(plain)+webOverhead)
	body = append(body, salt...)
	body = binary.BigEndian.AppendUint32(body, recordSize)
	body = append(body, byte(len(public)))
	body = append(body, public...)
	last := append(append(make([]byte, 0, len(plain)+1), plain...), 2) // 2: the last record
	return aead.Seal(body, nonce, last, nil), nil
}
