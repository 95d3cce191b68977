package client

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
)

// memory is what is worth knowing of a site the next time. It holds nothing secret and no address of a person.
type memory struct {
	Tunnels []string `json:"tunnels,omitempty"` // the way when even the site is out of reach (S14)
}

const (
	maxMemory  = 16 << 10 // bytes of the file
	maxTunnels = 16
)

// memoryFile is the site's own file in the state directory.
func memoryFile(dir, site string) string {
	return filepath.Join(dir, "site-"+siteKey(site)+".json")
}

// siteKey is a name for the site that does not tell its address.
func siteKey(site string) string {
	sum := sha256.Sum256([]byte(site))
	return hex.EncodeToString(sum[:8])
}

// remember reads what was kept; what can't be read was never known.
func remember(dir, site string) (m memory) {
	if dir == "" {
		return m
	}
	b, err := os.ReadFile(memoryFile(dir, site))
	if err != nil || len(b) > maxMemory || json.Unmarshal(b, &m) != nil {
		return memory{}
	}
	m.Tunnels = m.Tunnels[:min(len(m.Tunnels), maxTunnels)]
	return m
}

// keepMemory writes it down, if it is news. That it can't be kept is no reason to fail.
func (c *Client) keepMemory(m memory) {
	if c.cfg.State == "" || slices.Equal(m.Tunnels, c.memory.Tunnels) {
		return
	}
	c.memory = m
	b, err := json.Marshal(m)
	if err != nil || os.MkdirAll(c.cfg.State, 0o700) != nil {
		return
	}
	path := memoryFile(c.cfg.State, c.site.String())
	if os.WriteFile(path+".new", b, 0o600) == nil {
		os.Rename(path+".new", path)
	}
}
