package link

// TryRead is ReadBatch that does not wait: 0 and no error when nothing has arrived. ok is false where c
// can't do it. A reader that polls is never asleep, so no sender pays for waking it: what a load
// generator beside a measured server needs.
func TryRead(c PacketConn, ms []Message) (n int, ok bool, err error) {
	t, ok := c.(interface {
		tryRead(ms []Message) (int, error)
	})
	if !ok {
		return 0, false, nil
	}
	n, err = t.tryRead(ms)
	return n, true, err
}

// TryReadAside is TryRead of what a Poller has set aside on c: 0 where nothing is.
func TryReadAside(c PacketConn, ms []Message) (int, error) {
	if t, ok := c.(interface {
		tryReadAside(ms []Message) (int, error)
	}); ok {
		return t.tryReadAside(ms)
	}
	return 0, nil
}

// Sieve tells datagrams by their first two bytes: each within its range, both ends included.
type Sieve struct{ First, Second [2]byte }
