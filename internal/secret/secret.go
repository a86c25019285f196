// Package secret makes ids and random secrets, hashes secrets we compare and
// encrypts secrets we must present again.
//
// Generated secrets carry 256 bits, so a keyed SHA-256 is the right hash for
// them (a slow hash only protects guessable passwords). What must be presented
// again is sealed with AES-256-GCM. Both keys derive from one master key per
// installation, shared by its replicas and kept out of the database.
package secret

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/google/uuid"
)

const masterBytes = 32

// NewID returns a new UUIDv7 (RFC 9562 §5.7): unique, and ascending in time so
// that indexes grow at their end.
func NewID() string { return uuid.Must(uuid.NewV7()).String() }

// NewGUID returns a random UUIDv4, for ids shown outside that must not tell when they were made.
func NewGUID() string { return uuid.NewString() }

// Token returns n random bytes in unpadded base64url.
func Token(n int) string { return base64.RawURLEncoding.EncodeToString(Bytes(n)) }

// Bytes returns n random bytes.
func Bytes(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails, see crypto/rand
	return b
}

const alphanumeric = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// Alphanumeric returns n random letters and digits.
func Alphanumeric(n int) string { return pick(alphanumeric, n) }

// Digits returns n random decimal digits.
func Digits(n int) string { return pick("0123456789", n) }

func pick(alphabet string, n int) string {
	limit := 256 - 256%len(alphabet) // reject the uneven rest so that every character is equally likely
	out := make([]byte, 0, n)
	for len(out) < n {
		for _, b := range Bytes(n) {
			if int(b) < limit && len(out) < n {
				out = append(out, alphabet[int(b)%len(alphabet)])
			}
		}
	}
	return string(out)
}

// Box holds the keys derived from the master key.
type Box struct{ hashKey, sealKey []byte }

// Open reads the master key from file, or when file is empty from
// dir/master.key, which is made (mode 0600) when it does not exist.
func Open(dir, file string) (*Box, error) {
	if file == "" {
		file = filepath.Join(dir, "master.key")
		if err := create(file); err != nil {
			return nil, fmt.Errorf("make the master key: %w", err)
		}
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the master key: %w", err)
	}
	master, err := hex.DecodeString(strings.TrimSpace(string(text)))
	if err != nil || len(master) != masterBytes {
		return nil, fmt.Errorf("master key %s: want %d hexadecimal digits", file, 2*masterBytes)
	}
	return FromMaster(master)
}

// FromMaster derives the keys from a master key of 32 bytes.
func FromMaster(master []byte) (*Box, error) {
	if len(master) != masterBytes {
		return nil, errors.New("a master key has 32 bytes")
	}
	hashKey, err := hkdf.Key(sha256.New, master, nil, "countersign hash", 32)
	if err != nil {
		return nil, err
	}
	sealKey, err := hkdf.Key(sha256.New, master, nil, "countersign seal", 32)
	if err != nil {
		return nil, err
	}
	return &Box{hashKey: hashKey, sealKey: sealKey}, nil
}

// create writes a new key under a temporary name and links it into place, so
// that of two processes starting together one wins and both read its key.
func create(file string) error {
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	tmp, err := os.CreateTemp(filepath.Dir(file), ".master-*")
	if err != nil {
		return err
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.WriteString(hex.EncodeToString(Bytes(masterBytes)) + "\n")
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	if err = os.Link(tmp.Name(), file); errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}

// Hash is the keyed SHA-256 of a secret, bound to its purpose.
func (b *Box) Hash(purpose, secret string) []byte {
	mac := hmac.New(sha256.New, b.hashKey)
	mac.Write([]byte(purpose))
	mac.Write([]byte{0})
	mac.Write([]byte(secret))
	return mac.Sum(nil)
}

// Matches compares a secret with its hash in constant time.
func (b *Box) Matches(purpose, secret string, hash []byte) bool {
	return subtle.ConstantTimeCompare(b.Hash(purpose, secret), hash) == 1
}

// Seal encrypts plain, bound to its purpose.
func (b *Box) Seal(purpose string, plain []byte) []byte {
	gcm := b.gcm()
	nonce := Bytes(gcm.NonceSize())
	return gcm.Seal(nonce, nonce, plain, []byte(purpose))
}

// Unseal decrypts what Seal made for the same purpose.
func (b *Box) Unseal(purpose string, sealed []byte) ([]byte, error) {
	gcm := b.gcm()
	if len(sealed) < gcm.NonceSize() {
		return nil, errors.New("sealed value too short")
	}
	return gcm.Open(nil, sealed[:gcm.NonceSize()], sealed[gcm.NonceSize():], []byte(purpose))
}

func (b *Box) gcm() cipher.AEAD {
	block, err := aes.NewCipher(b.sealKey)
	if err != nil {
		panic(err) // the key has 32 bytes by construction
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		panic(err)
	}
	return gcm
}
