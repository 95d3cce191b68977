package meeting

import (
	"time"

	"parley/wire/proto"
)

// act does what a host or co-host orders, or says why not.
func (m *Meeting) act(now time.Time, p *person, a proto.Act) {
	refuse := func(code proto.Code, text string) { m.fail(p, a.Type(), code, text) }
	switch a.Do {
	case proto.ActCohost, proto.ActEnd:
		if p.role != proto.RoleHost {
			refuse(proto.CodeForbidden, "Only the host may do that.")
			return
		}
	case proto.ActMute, proto.ActMuteAll, proto.ActAskUnmute, proto.ActAdmit, proto.ActEject,
		proto.ActLowerHand, proto.ActLock, proto.ActWaitingRoom, proto.ActMuteOnEntry:
		if !p.role.Manages() {
			refuse(proto.CodeForbidden, "Only the host and co-hosts may do that.")
			return
		}
	default:
		refuse(proto.CodeUnsupported, "This server does not know that action.")
		return
	}

	var target *person
	switch a.Do {
	case proto.ActMute, proto.ActAskUnmute, proto.ActCohost, proto.ActLowerHand:
		if target = m.admitted(a.Target); target == nil {
			refuse(proto.CodeBadRequest, "That person is not in the meeting.")
			return
		}
	case proto.ActEject:
		if target = m.people[a.Target]; target == nil {
			refuse(proto.CodeBadRequest, "That person is not in the meeting.")
			return
		}
	}

	switch a.Do {
	case proto.ActMute:
		if a.Kind >= proto.NKinds {
			refuse(proto.CodeBadRequest, "There is no such kind of source.")
			return
		}
		m.hostMute(now, target, a.Kind)
	case proto.ActMuteAll:
		for _, q := range m.list {
			if q != p && !q.waiting {
				m.hostMute(now, q, proto.Audio)
			}
		}
	case proto.ActAskUnmute:
		m.askUnmute(p, target, a)
	case proto.ActCohost:
		m.makeCohost(now, p, target, a)
	case proto.ActAdmit:
		m.letIn(now, p, a)
	case proto.ActEject:
		m.eject(now, p, target, a)
	case proto.ActLowerHand:
		m.hand(now, target, false)
	case proto.ActLock:
		m.flip(now, &m.state.Locked, a.On)
	case proto.ActWaitingRoom:
		m.flip(now, &m.state.WaitingRoom, a.On)
		if !a.On && m.started {
			m.admitAll(now) // the reason to wait is gone
		}
	case proto.ActMuteOnEntry:
		m.flip(now, &m.state.MuteOnEntry, a.On)
	case proto.ActEnd:
		m.end(true, "The host has ended the meeting.")
	}
}

func (m *Meeting) flip(now time.Time, s *bool, on bool) {
	if *s == on {
		return
	}
	*s = on
	m.broadcast(m.state)
	m.persist(now)
}

func (m *Meeting) askUnmute(p, target *person, a proto.Act) {
	switch {
	case a.Kind != proto.Audio && a.Kind != proto.Video:
		m.fail(p, a.Type(), proto.CodeBadRequest, "Only a microphone or a camera can be asked for.")
	case target.perms&(1<<a.Kind) == 0:
		m.fail(p, a.Type(), proto.CodeForbidden, "That person is not permitted to send "+permitted(a.Kind)+".")
	case target.viewing:
		m.send(target, proto.AskUnmute{Kind: a.Kind, By: p.id})
	}
}

// makeCohost gives or takes the co-host's role. It outlives the person's leaving.
func (m *Meeting) makeCohost(now time.Time, p, target *person, a proto.Act) {
	if target.role == proto.RoleHost {
		m.fail(p, a.Type(), proto.CodeForbidden, "That person is a host already.")
		return
	}
	role := proto.RoleParticipant
	if a.On {
		role = proto.RoleCohost
	}
	m.past[target.id] = role
	if target.role != role {
		target.role = role
		m.touch(target)
		m.persist(now)
	}
}

// letIn admits one from the waiting room, or all.
func (m *Meeting) letIn(now time.Time, p *person, a proto.Act) {
	if a.Target == 0 {
		if !m.admitAll(now) {
			m.fail(p, a.Type(), proto.CodeFull, "The meeting is full; not everybody could be let in.")
		}
		return
	}
	target := m.people[a.Target]
	switch {
	case target == nil:
		m.fail(p, a.Type(), proto.CodeBadRequest, "That person is not waiting any more.")
	case !target.waiting:
		// Two hosts have clicked at once: what the second wanted is done.
	case !m.hasRoom():
		m.fail(p, a.Type(), proto.CodeFull, "The meeting is full.")
	default:
		m.admit(now, target)
	}
}

// eject removes a person for good.
func (m *Meeting) eject(now time.Time, p, target *person, a proto.Act) {
	switch {
	case target.role == proto.RoleHost:
		m.fail(p, a.Type(), proto.CodeForbidden, "A host cannot be removed.")
		return
	case target == p:
		m.fail(p, a.Type(), proto.CodeBadRequest, "You cannot remove yourself; leave instead.")
		return
	}
	m.ejected[target.id] = true
	m.order.ejected = append(m.order.ejected, target.id)
	m.do(Close{
		ID:     target.id,
		Bye:    proto.Bye{Code: proto.CodeEjected, Text: "A host has removed you from this meeting."},
		Revoke: true,
	})
	m.remove(now, target)
}
