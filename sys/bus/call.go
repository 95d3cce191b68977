package bus

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"

	"parley/wire/proto"
)

// The ways a call fails, for errors.Is. A request that nobody answered in time gives
// context.DeadlineExceeded.
var (
	ErrNoResponder  = errors.New("nobody answers on this subject")
	ErrDisconnected = errors.New("the bus can't be reached")
	ErrClosed       = errors.New("the bus is closed")
)

// The headers of requests and answers.
const (
	headerTimeout = "Parley-Timeout" // of a request: milliseconds its requester waits
	headerError   = "Parley-Error"   // of an answer: its body is a proto.Error
)

// ValidID reports whether id may stand in a subject: 1 to 64 of letters, digits, "-" and "_".
func ValidID(id string) bool {
	if id == "" || len(id) > 64 {
		return false
	}
	return strings.Trim(id, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") == ""
}

// Publish says v to all who subscribed. It does not wait for anybody; the error is that v does not
// encode, or ErrDisconnected, or ErrClosed.
func (b *Bus) Publish(subject string, v any) error {
	body, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("publishing on %s: %w", subject, err)
	}
	if err := b.nc.Publish(subject, body); err != nil {
		return fmt.Errorf("publishing on %s: %w", subject, typed(err))
	}
	return nil
}

// Subscribe calls h for every message on subject ("*" stands for one part, ">" for the rest), in the
// order they came, one at a time, on a goroutine of its own. When it returns the subscription stands.
// After unsubscribe, one call of h may still be on its way.
func (b *Bus) Subscribe(subject string, h func(subject string, data []byte)) (unsubscribe func(), err error) {
	return b.subscribe(subject, "", func(m *nats.Msg) { h(m.Subject, m.Data) })
}

// Serve answers requests on subject; of those who serve one subject with the same queue name, one
// gets each request. h runs on goroutines of its own, at most 32 at once; its context ends when the
// requester gives up. A *proto.Error travels back as such; any other error becomes code "internal"
// and is logged here.
func (b *Bus) Serve(subject, queue string, h func(ctx context.Context, data []byte) (any, error)) (stop func(), err error) {
	slots := make(chan struct{}, parallelServe)
	return b.subscribe(subject, queue, func(m *nats.Msg) {
		select {
		case slots <- struct{}{}:
		case <-b.ctx.Done():
			return
		}
		if !b.begin() {
			<-slots
			return
		}
		go func() {
			defer b.busy.Done()
			defer func() { <-slots }()
			b.answer(m, h)
		}()
	})
}

// subjectKey is the context key of Subject.
type subjectKey struct{}

// Subject is what a request that Serve hands on was asked on, "" outside of one. Who may ask on which
// subject is the bus's to check, so a handler may trust it where it may not trust the body.
func Subject(ctx context.Context) string {
	s, _ := ctx.Value(subjectKey{}).(string)
	return s
}

func (b *Bus) answer(m *nats.Msg, h func(ctx context.Context, data []byte) (any, error)) {
	timeout := serveTimeout
	if ms, err := strconv.Atoi(m.Header.Get(headerTimeout)); err == nil && ms > 0 && ms < 60_000 {
		timeout = time.Duration(ms) * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.WithValue(b.ctx, subjectKey{}, m.Subject), timeout)
	defer cancel()
	out, err := h(ctx, m.Data)
	if m.Reply == "" || err != nil && ctx.Err() != nil {
		return // nobody waits, or no more: the requester knows that it timed out
	}
	reply := nats.NewMsg(m.Reply)
	if err == nil {
		reply.Data, err = json.Marshal(out)
	}
	if err != nil {
		told, ok := errors.AsType[*proto.Error](err)
		if !ok {
			b.log.Error("answering a request", "subject", m.Subject, "err", err)
			told = proto.NewError(proto.CodeInternal, "the server that was asked has failed")
		}
		reply.Header.Set(headerError, string(told.Code))
		reply.Data, _ = json.Marshal(told)
	}
	if err := b.nc.PublishMsg(reply); err != nil {
		b.log.Warn("answering a request", "subject", m.Subject, "err", err)
	}
}

// Request asks subject and waits for one answer: in is the body (nil: null), out gets the answer
// (nil: thrown away). Without a deadline in ctx it waits 300 ms. The error is the answerer's
// *proto.Error, or wraps ErrNoResponder (at once, when nobody serves the subject),
// context.DeadlineExceeded, ErrDisconnected or ErrClosed.
func (b *Bus) Request(ctx context.Context, subject string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("asking %s: %w", subject, err)
	}
	if _, ok := ctx.Deadline(); !ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, requestTimeout)
		defer cancel()
	}
	m := nats.NewMsg(subject)
	m.Data = body
	deadline, _ := ctx.Deadline()
	m.Header.Set(headerTimeout, strconv.FormatInt(max(1, time.Until(deadline).Milliseconds()), 10))
	answer, err := b.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return fmt.Errorf("asking %s: %w", subject, typed(err))
	}
	if answer.Header.Get(headerError) != "" {
		told := &proto.Error{}
		if err := json.Unmarshal(answer.Data, told); err != nil {
			return fmt.Errorf("asking %s: malformed refusal: %w", subject, err)
		}
		return told
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer.Data, out); err != nil {
		return fmt.Errorf("asking %s: malformed answer: %w", subject, err)
	}
	return nil
}

func (b *Bus) subscribe(subject, queue string, h nats.MsgHandler) (func(), error) {
	if !b.begin() {
		return nil, fmt.Errorf("subscribing to %s: %w", subject, ErrClosed)
	}
	done := sync.OnceFunc(b.busy.Done)
	sub, err := b.nc.QueueSubscribe(subject, queue, h)
	if err != nil {
		done()
		return nil, fmt.Errorf("subscribing to %s: %w", subject, typed(err))
	}
	// Called when the subscription's goroutine has handled its last message.
	sub.SetClosedHandler(func(string) { done() })
	if b.nc.IsClosed() { // then it may have ended before it had the handler
		done()
		return nil, fmt.Errorf("subscribing to %s: %w", subject, ErrClosed)
	}
	if err := sub.SetPendingLimits(pendingMessages, pendingBytes); err != nil {
		_ = sub.Unsubscribe()
		return nil, fmt.Errorf("subscribing to %s: %w", subject, typed(err))
	}
	// So that what another process sends from now on arrives; without a connection it is said later.
	if b.nc.IsConnected() {
		ctx, cancel := context.WithTimeout(b.ctx, time.Second)
		defer cancel()
		_ = b.nc.FlushWithContext(ctx)
	}
	return sync.OnceFunc(func() { _ = sub.Unsubscribe() }), nil
}

// typed maps the engine's errors to ours.
func typed(err error) error {
	switch {
	case errors.Is(err, nats.ErrNoResponders):
		return ErrNoResponder
	case errors.Is(err, nats.ErrConnectionClosed):
		return ErrClosed
	case errors.Is(err, nats.ErrReconnectBufExceeded), errors.Is(err, nats.ErrDisconnected),
		errors.Is(err, nats.ErrConnectionReconnecting),
		errors.Is(err, nats.ErrHeadersNotSupported): // what it says before the first connection
		return ErrDisconnected
	case errors.Is(err, nats.ErrTimeout):
		return context.DeadlineExceeded
	}
	return err
}
