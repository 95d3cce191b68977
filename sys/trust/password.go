package trust

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"golang.org/x/crypto/argon2"

	"parley/wire/proto"
)

// The cost of a password hash: argon2id with 19 MiB, two passes, one lane (the OWASP floor); about
// 25 ms of one core.
const (
	argonMemory = 19 << 10 // KiB
	argonTime   = 2
	argonLanes  = 1
	argonSalt   = 16
	argonKey    = 32
)

// maxPasswordLen bounds what is hashed, in bytes.
const maxPasswordLen = 1024

// Hasher hashes and checks passwords, a few at a time: each takes 19 MiB while it runs. Safe for
// concurrent use.
type Hasher struct {
	slots chan struct{}
}

// NewHasher makes a hasher that runs at most parallel hashes at once; 0 means 2.
func NewHasher(parallel int) *Hasher {
	if parallel <= 0 {
		parallel = 2
	}
	return &Hasher{slots: make(chan struct{}, parallel)}
}

// HashPassword makes the stored form of a password, a PHC string:
// "$argon2id$v=19$m=19456,t=2,p=1$<salt>$<hash>". It waits for a slot; the error is ctx's, or that
// the password is longer than 1024 bytes.
func (h *Hasher) HashPassword(ctx context.Context, password string) (string, error) {
	if len(password) > maxPasswordLen {
		return "", errors.New("password too long")
	}
	salt := randomBytes(argonSalt)
	key, err := h.run(ctx, password, params{argonMemory, argonTime, argonLanes, salt, argonKey})
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version, argonMemory, argonTime, argonLanes,
		base64.RawStdEncoding.EncodeToString(salt), base64.RawStdEncoding.EncodeToString(key)), nil
}

// CheckPassword reports whether password is the one hash was made of, and whether it should be
// hashed anew because the cost has changed since. An empty hash (no such user) costs the same time
// and is never ok, so that an answer's time does not tell which users exist.
func (h *Hasher) CheckPassword(ctx context.Context, hash, password string) (ok, rehash bool, err error) {
	if len(password) > maxPasswordLen {
		return false, false, nil
	}
	p, want := params{argonMemory, argonTime, argonLanes, make([]byte, argonSalt), argonKey}, make([]byte, argonKey)
	nobody := hash == ""
	if !nobody {
		if p, want, err = parsePHC(hash); err != nil {
			return false, false, err
		}
	}
	got, err := h.run(ctx, password, p)
	if err != nil {
		return false, false, err
	}
	ok = subtle.ConstantTimeCompare(got, want) == 1 && !nobody
	return ok, ok && (p.memory != argonMemory || p.time != argonTime || p.lanes != argonLanes || p.keyLen != argonKey), nil
}

type params struct {
	memory, time uint32
	lanes        uint8
	salt         []byte
	keyLen       uint32
}

func (h *Hasher) run(ctx context.Context, password string, p params) ([]byte, error) {
	select {
	case h.slots <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { <-h.slots }()
	return argon2.IDKey([]byte(password), p.salt, p.time, p.memory, p.lanes, p.keyLen), nil
}

var errPHC = errors.New("stored password hash is not argon2id in PHC form")

// parsePHC reads our own stored hashes, also of an earlier cost; the bounds keep a damaged row from
// taking all memory.
func parsePHC(s string) (params, []byte, error) {
	f := strings.Split(s, "$")
	if len(f) != 6 || f[0] != "" || f[1] != "argon2id" || f[2] != fmt.Sprintf("v=%d", argon2.Version) {
		return params{}, nil, errPHC
	}
	var p params
	if _, err := fmt.Sscanf(f[3], "m=%d,t=%d,p=%d", &p.memory, &p.time, &p.lanes); err != nil {
		return params{}, nil, errPHC
	}
	salt, err1 := base64.RawStdEncoding.Strict().DecodeString(f[4])
	key, err2 := base64.RawStdEncoding.Strict().DecodeString(f[5])
	if err1 != nil || err2 != nil || len(salt) < 8 || len(key) < 16 || len(key) > 64 ||
		p.memory < 8 || p.memory > 1<<20 || p.time < 1 || p.time > 16 || p.lanes < 1 {
		return params{}, nil, errPHC
	}
	p.salt, p.keyLen = salt, uint32(len(key))
	return p, key, nil
}

// LinkPwd is the value of ?pwd= in a meeting's link (S37): derived from the passcode, so that a
// changed passcode makes old links worthless, and nobody who sees a link learns the passcode.
// 24 characters of base64url.
func LinkPwd(secret []byte, meeting proto.MeetingID, passcode string) string {
	h := hmac.New(sha256.New, secret)
	fmt.Fprintf(h, "parley link 1\n%s\n%s", meeting, passcode)
	return encode64(h.Sum(nil)[:18])
}

// LinkPwd is the link value by this site's secret.
func (s *Site) LinkPwd(meeting proto.MeetingID, passcode string) string {
	key := s.derive("link")
	return LinkPwd(key[:], meeting, passcode)
}

// CheckPasscode reports whether a person or a link may enter: either passcode as typed, or pwd as
// in a link. Constant time in the values. A meeting without a passcode lets everybody in.
func (s *Site) CheckPasscode(meeting proto.MeetingID, want, passcode, pwd string) bool {
	if want == "" {
		return true
	}
	typed := equalHashed(want, passcode)
	linked := equalHashed(s.LinkPwd(meeting, want), pwd)
	return typed || linked
}

// equalHashed compares without telling even the length.
func equalHashed(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}
