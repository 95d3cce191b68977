package trust

import (
	"crypto/ed25519"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base32"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"parley/wire/proto"
)

// The files of a site's directory, all PEM and mode 0600. Who has them is the site.
const (
	fileSecret   = "site-secret.pem" // 32 random bytes, from which zone keys and link values derive
	fileTokenKey = "token-key.pem"   // Ed25519, signs meeting tokens
	fileCAKey    = "ca-key.pem"      // ECDSA P-256
	fileCA       = "ca.pem"
)

// The PEM types that are ours; the others are the usual ones.
const pemSecret = "PARLEY SITE SECRET"

// Site is the site's own secrets: the key of meeting tokens, the certificate authority, and one
// secret from which the zones' keys derive. Immutable once made; safe for concurrent use.
type Site struct {
	dir    string
	id     string
	secret [32]byte
	tokens *signer
	// tunnels signs with the same key: the type keeps the two kinds of token apart.
	tunnels *signer
	keys    []proto.SigningKey
	grants  *GrantSigner
	ca      *CA
}

// OpenSite reads the site's secrets from dir, and makes those that are missing (mode 0600, directory
// 0700). Several processes may open one new directory at once: one of them makes each file, all read
// the same. now dates a new CA certificate.
func OpenSite(dir string, now time.Time) (*Site, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the site's directory: %w", err)
	}
	s := &Site{dir: dir}
	raw, err := readOrMake(filepath.Join(dir, fileSecret), pemSecret, func() ([]byte, error) {
		b := make([]byte, 32)
		rand.Read(b)
		return b, nil
	})
	if err != nil {
		return nil, err
	}
	if len(raw) != len(s.secret) {
		return nil, fmt.Errorf("%s: site secret is %d bytes, not 32", fileSecret, len(raw))
	}
	copy(s.secret[:], raw)
	name := s.derive("site id")
	s.id = "site-" + strings.ToLower(base32.StdEncoding.EncodeToString(name[:10]))

	raw, err = readOrMake(filepath.Join(dir, fileTokenKey), "PRIVATE KEY", func() ([]byte, error) {
		_, k, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, err
		}
		return x509.MarshalPKCS8PrivateKey(k)
	})
	if err != nil {
		return nil, err
	}
	priv, err := parseEd25519(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", fileTokenKey, err)
	}
	if s.tokens, err = newSigner(s.id, priv, typToken); err != nil {
		return nil, err
	}
	if s.tunnels, err = newSigner(s.id, priv, typTunnel); err != nil {
		return nil, err
	}
	s.keys = []proto.SigningKey{s.tokens.key}

	seed := s.derive("grant key")
	if s.grants, err = grantSignerFrom("site", ed25519.NewKeyFromSeed(seed[:])); err != nil {
		return nil, err
	}
	if s.ca, err = openCA(dir, s.id, now); err != nil {
		return nil, err
	}
	return s, nil
}

// ID is the site's name, derived from its secret: the issuer of its tokens.
func (s *Site) ID() string { return s.id }

// Keys verify the site's meeting tokens. They are not among those that may sign grants.
func (s *Site) Keys() []proto.SigningKey { return append([]proto.SigningKey(nil), s.keys...) }

// SignClaims makes a meeting token. An empty Issuer becomes the site's ID; a token without meeting,
// participant, key or expiry is refused.
func (s *Site) SignClaims(c proto.Claims) (string, error) {
	if c.Issuer == "" {
		c.Issuer = s.id
	}
	if err := checkClaims(c); err != nil {
		return "", fmt.Errorf("signing a meeting token: %w", err)
	}
	return s.tokens.sign(c)
}

// ZoneKey is the key with which a zone's controllers make ICE credentials and its routers check
// them. It derives from the site's secret, so it is the same on every replica; a zone gets its own
// and no other.
func (s *Site) ZoneKey(zone string) ZoneKey { return s.derive("zone key", zone) }

// GrantSigner signs the grants that the web infrastructure hands out with a lookup; the same key on
// every replica.
func (s *Site) GrantSigner() *GrantSigner { return s.grants }

// CA is the site's certificate authority.
func (s *Site) CA() *CA { return s.ca }

// derive makes an independent 32-byte key from the site's secret (HKDF-SHA256, RFC 5869). Labels are
// length-prefixed, so no two lists of labels run together.
func (s *Site) derive(labels ...string) [32]byte {
	var info strings.Builder
	info.WriteString("parley 1")
	for _, l := range labels {
		fmt.Fprintf(&info, "\n%d:%s", len(l), l)
	}
	b, err := hkdf.Key(sha256.New, s.secret[:], nil, info.String(), 32)
	if err != nil {
		panic("trust: HKDF of 32 bytes failed: " + err.Error())
	}
	return [32]byte(b)
}

func parseEd25519(raw []byte) (ed25519.PrivateKey, error) {
	k, err := x509.ParsePKCS8PrivateKey(raw)
	if err != nil {
		return nil, err
	}
	priv, ok := k.(ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("not an Ed25519 key")
	}
	return priv, nil
}

// readOrMake returns the first PEM block of type typ in path, making the file first if it is not
// there. The file appears whole or not at all: it is written under another name and linked, which
// fails if somebody else was faster, and then theirs is read.
func readOrMake(path, typ string, newBytes func() ([]byte, error)) ([]byte, error) {
	raw, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		body, err := newBytes()
		if err != nil {
			return nil, fmt.Errorf("making %s: %w", filepath.Base(path), err)
		}
		if err := writeNew(path, pem.EncodeToMemory(&pem.Block{Type: typ, Bytes: body})); err != nil {
			return nil, err
		}
		raw, err = os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("reading back: %w", err)
		}
	} else if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil || block.Type != typ {
		return nil, fmt.Errorf("%s: no PEM block %q", filepath.Base(path), typ)
	}
	return block.Bytes, nil
}

// writeNew makes path with body unless it exists, which is no error.
func writeNew(path string, body []byte) error {
	tmp, err := writeTemp(path, body)
	if err != nil {
		return err
	}
	defer os.Remove(tmp)
	if err := os.Link(tmp, path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	return nil
}

// replaceFile puts body in path, whole or not at all.
func replaceFile(path string, body []byte) error {
	tmp, err := writeTemp(path, body)
	if err != nil {
		return err
	}
	if err := os.Rename(tmp, path); err != nil {
		os.Remove(tmp)
		return fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	return nil
}

// writeTemp writes body to a new file beside path (mode 0600, synced) and returns its name.
func writeTemp(path string, body []byte) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+"-*")
	if err != nil {
		return "", fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	_, err = f.Write(body)
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		os.Remove(f.Name())
		return "", fmt.Errorf("writing %s: %w", filepath.Base(path), err)
	}
	return f.Name(), nil
}
