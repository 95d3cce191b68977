package proto

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
)

// plainly is a message as encoding/json alone writes it.
func plainly(t *testing.T, m Message) string {
	t.Helper()
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf(`{"t":%q,%s`, m.Type(), body[1:])
}

func TestRostersAreWrittenAsEncodingJSONDoes(t *testing.T) {
	names := []string{"", "Ann", "Zoë", "王小明", `a "quoted" \ name`, "<b>&", "tab\tand\x00\x1f\x7f", "line\u2028end", "half a rune \xe7\x8e", `","roster":{"version":0}`}
	roles := []Role{RoleHost, RoleCohost, RoleParticipant, "", "a \"later\" one"}
	random := rand.New(rand.NewPCG(1, 2))
	number := func(below int64) int64 { return random.Int64N(below) }
	for range 2000 {
		r := Roster{Version: random.Uint64() >> number(64)}
		for range number(4) {
			p := Person{
				ID: ParticipantID(number(1 << 29)), Name: names[number(int64(len(names)))], Role: roles[number(int64(len(roles)))],
				Client: []string{"", "web", "native"}[number(3)], Hand: []int64{0, -1, 1763600000000}[number(3)], Waiting: number(2) == 0, Away: number(2) == 0,
			}
			if number(2) == 0 {
				p.Sources = []SourceState{}
			}
			for range number(3) {
				p.Sources = append(p.Sources, SourceState{Kind: Kind(number(NKinds)), Muted: number(2) == 0, ByHost: number(2) == 0})
			}
			r.Put = append(r.Put, p)
		}
		for range number(3) {
			r.Gone = append(r.Gone, ParticipantID(number(1<<29)))
		}
		w := Welcome{Build: names[number(int64(len(names)))], Meeting: MeetingInfo{Topic: names[number(int64(len(names)))]}, Roster: r,
			Chat: []Chat{{Text: names[number(int64(len(names)))]}}}
		for _, m := range []Message{r, w} {
			if got, want := string(Encode(m)), plainly(t, m); got != want {
				t.Fatalf("%T:\n got %s\nwant %s", m, got, want)
			}
		}
	}
}

// BenchmarkWelcome is what newcomers to meetings of several sizes are told.
func BenchmarkWelcome(b *testing.B) {
	for _, n := range []int{10, 200, 1000} {
		w := Welcome{}
		for i := range n {
			w.Roster.Put = append(w.Roster.Put, Person{ID: ParticipantID(1 + 12345*i), Name: fmt.Sprint("Person ", i), Role: RoleParticipant, Client: "native"})
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Encode(w)
			}
		})
	}
}
