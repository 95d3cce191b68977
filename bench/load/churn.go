package load

import (
	"context"
	"slices"
	"time"

	"parley/wire/proto"
)

// churn takes receivers out and puts others in while it is measured.
func (g *generator) churn(ctx context.Context) {
	every := time.NewTicker(time.Second / time.Duration(g.cfg.Churn))
	defer every.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-every.C:
		}
		g.post(g.replace)
	}
}

// replace lets one receiver go and another come. Owned by the loop.
func (g *generator) replace() {
	if g.phase != Measuring {
		return
	}
	var old *person
	for range 64 {
		p := g.people[random(len(g.people))]
		if len(p.pubs) == 0 && !p.gone.Load() {
			old = p
			break
		}
	}
	if old == nil {
		return
	}
	old.gone.Store(true)
	g.people = slices.DeleteFunc(g.people, func(p *person) bool { return p == old })
	g.numbers++
	fresh := &person{
		g: g, number: g.numbers, room: old.room, index: old.index, member: old.member, reporter: uint32(g.numbers), nacks: old.nacks,
	}
	g.res.Churned++
	g.wg.Go(func() {
		old.say(proto.Bye{Code: proto.CodeLeft})
		old.leave()
		if err := fresh.joinTimed(); err != nil {
			g.fault(err)
		}
	})
}
