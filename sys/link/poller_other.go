//go:build !linux

package link

import "time"

// Poller lets one thread wait for several sockets. Systems without one read with ReadBatch.
type Poller struct{}

// NewPoller makes none here.
func NewPoller([]PacketConn) (*Poller, error) { return nil, nil }

// Wait returns at once.
func (p *Poller) Wait(time.Duration) {}

// Pause returns at once.
func (p *Poller) Pause(time.Duration) {}

// Wake does nothing.
func (p *Poller) Wake() {}

// Close does nothing.
func (p *Poller) Close() error { return nil }
