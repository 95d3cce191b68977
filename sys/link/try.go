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
