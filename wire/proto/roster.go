package proto

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
)

// A Welcome carries a row for each person, and everybody gets one: of all that a join costs, encoding it is what
// grows with the meeting. Hence rosters are written by hand, byte for byte as encoding/json does, in a third of
// its time (BenchmarkWelcome).

// emptyRoster is what encoding/json makes of a Welcome's roster without rows. Quotes inside of a string are escaped,
// so this is nowhere else.
const emptyRoster = `"roster":{"version":0}`

// encodeWelcome is Encode of a Welcome.
func encodeWelcome(w Welcome) ([]byte, error) {
	r := w.Roster
	w.Roster = Roster{}
	body, err := json.Marshal(w)
	if err != nil {
		return nil, err
	}
	before, after, ok := bytes.Cut(body, []byte(emptyRoster))
	if !ok {
		return nil, errors.New("no roster")
	}
	b := make([]byte, 0, len(body)+r.room())
	b = append(append(b, `{"t":"welcome",`...), before[1:]...)
	b = appendRoster(append(b, `"roster":{`...), r)
	return append(b, after...), nil
}

// encodeRoster is Encode of a Roster.
func encodeRoster(r Roster) []byte {
	return appendRoster(append(make([]byte, 0, r.room()), `{"t":"roster",`...), r)
}

// room is about the length of a roster, in bytes.
func (r *Roster) room() int { return 64 + 112*len(r.Put) + 10*len(r.Gone) }

// appendRoster writes a roster's fields and the end of the object.
func appendRoster(b []byte, r Roster) []byte {
	b = strconv.AppendUint(append(b, `"version":`...), r.Version, 10)
	for i := range r.Put {
		b = appendPerson(append(b, separator(i, `,"put":[`)...), &r.Put[i])
	}
	if len(r.Put) > 0 {
		b = append(b, ']')
	}
	for i, id := range r.Gone {
		b = strconv.AppendUint(append(b, separator(i, `,"gone":[`)...), uint64(id), 10)
	}
	if len(r.Gone) > 0 {
		b = append(b, ']')
	}
	return append(b, '}')
}

// separator is what comes before element i of a list.
func separator(i int, first string) string {
	if i == 0 {
		return first
	}
	return ","
}

func appendPerson(b []byte, p *Person) []byte {
	b = strconv.AppendUint(append(b, `{"id":`...), uint64(p.ID), 10)
	b = appendString(append(b, `,"name":`...), p.Name)
	b = appendString(append(b, `,"role":`...), string(p.Role))
	if p.Client != "" {
		b = appendString(append(b, `,"client":`...), p.Client)
	}
	if p.Hand != 0 {
		b = strconv.AppendInt(append(b, `,"hand":`...), p.Hand, 10)
	}
	for i, s := range p.Sources {
		b = append(b, separator(i, `,"sources":[`)...)
		b = strconv.AppendUint(append(b, `{"kind":`...), uint64(s.Kind), 10)
		b = appendTrue(b, `,"muted":true`, s.Muted)
		b = appendTrue(b, `,"by_host":true`, s.ByHost)
		b = append(b, '}')
	}
	if len(p.Sources) > 0 {
		b = append(b, ']')
	}
	b = appendTrue(b, `,"waiting":true`, p.Waiting)
	b = appendTrue(b, `,"away":true`, p.Away)
	return append(b, '}')
}

func appendTrue(b []byte, field string, is bool) []byte {
	if is {
		b = append(b, field...)
	}
	return b
}

// appendString writes a string as JSON; what has to be escaped, and whatever is not ASCII, is left to encoding/json.
func appendString(b []byte, s string) []byte {
	for i := range len(s) {
		if c := s[i]; c < 0x20 || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, _ := json.Marshal(s) // no string fails
			return append(b, quoted...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}
