//go:build !linux

package link

import "time"

// Poller lets one thread wait for several sockets. Systems without one read with ReadBatch.
type Poller struct{}

// NewPoller makes none here.
func NewPoller([]PacketConn, ...Sieve) (*Poller, error) { return nil, nil }

// SetsAside is false.
func (p *Poller) SetsAside() bool { return false }

// Wait returns at once.
func (p *Poller) Wait(time.Duration) {}

// WaitUrgent returns at once.
func (p *Poller) WaitUrgent(time.Duration) {}

// Pause returns at once.
func (p *Poller) Pause(time.Duration) {}

// Wake does nothing.
func (p *Poller) Wake() {}

// Close does nothing.
func (p *Poller) Close() error { return nil }
