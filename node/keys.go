package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"parley/sys/bus"
	"parley/sys/trust"
	"parley/wire/proto"
)

// keyring is what a zone's servers verify tokens and make tickets with.
type keyring struct {
	verifier *trust.Verifier
	zones    map[string]trust.ZoneKey
}

// siteKeys reads the keys from the site in this process.
func siteKeys(site *trust.Site, zones []string) (*keyring, error) {
	v, err := trust.NewVerifier(site.Keys())
	if err != nil {
		return nil, err
	}
	k := &keyring{verifier: v, zones: make(map[string]trust.ZoneKey)}
	for _, z := range zones {
		k.zones[z] = site.ZoneKey(z)
	}
	return k, nil
}

const (
	keysTry     = time.Second
	keysPatient = 30 * time.Second
)

// askKeys gets the keys from the web infrastructure, patiently: servers of a site start in any order.
func askKeys(ctx context.Context, b *bus.Bus, zones []string, log *slog.Logger) (*keyring, error) {
	k := &keyring{zones: make(map[string]trust.ZoneKey)}
	deadline := time.Now().Add(keysPatient)
	for {
		err := k.ask(ctx, b, zones)
		if err == nil {
			return k, nil
		}
		if time.Now().After(deadline) || ctx.Err() != nil {
			return nil, fmt.Errorf("no keys from the web infrastructure over the bus after %v: %w", keysPatient, err)
		}
		log.Info("waiting for the web infrastructure on the bus", "err", err)
		select {
		case <-time.After(keysTry):
		case <-ctx.Done():
		}
	}
}

func (k *keyring) ask(ctx context.Context, b *bus.Bus, zones []string) error {
	for _, z := range zones {
		var ans proto.KeysAnswer
		tctx, cancel := context.WithTimeout(ctx, keysTry)
		err := b.Request(tctx, fmt.Sprintf(proto.SubjectKeys, z), proto.KeysRequest{Zone: z}, &ans)
		cancel()
		if err != nil {
			return err
		}
		if len(ans.ZoneKey) != len(trust.ZoneKey{}) {
			return errors.New("the zone key has the wrong length")
		}
		v, err := trust.NewVerifier(ans.Tokens)
		if err != nil {
			return err
		}
		k.verifier = v
		k.zones[z] = trust.ZoneKey(ans.ZoneKey)
	}
	return nil
}
