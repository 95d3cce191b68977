package netns

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// matrix collects the results for lab.md, which is written whenever there is one more: what cuts a run off takes
// nothing away.
type matrix struct {
	path string // "" for none

	mu   sync.Mutex
	rows []row // guarded by mu
}

// newMatrix begins a matrix: of a whole run anew, of some scenarios beside the rows of earlier runs.
func newMatrix(path string, whole bool) *matrix {
	m := &matrix{path: path}
	if whole {
		os.Remove(path)
	} else if earlier, err := os.ReadFile(path); err == nil {
		m.keep(earlier)
	}
	return m
}

// row is what became of one scenario.
type row struct {
	number, name, result, audio, video, first, bound, doctor, told string

	late bool // all is well but the time
	took time.Duration

	text string // of a row kept from an earlier run
}

// add adds a row, in place of an earlier run's, and writes the matrix.
func (m *matrix) add(r row) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = append(slices.DeleteFunc(m.rows, func(old row) bool { return old.number == r.number }), r)
	if m.path == "" {
		return nil
	}
	return m.write()
}

// total says how long the rows of this run have taken, one beside the other and one after the other.
func (m *matrix) total(took time.Duration) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	n, sum := 0, time.Duration(0)
	for _, r := range m.rows {
		if r.text == "" {
			n, sum = n+1, sum+r.took
		}
	}
	return fmt.Sprintf("%d networks in %v; one after the other %v", n, took.Round(time.Second), sum.Round(time.Second))
}

// rank is a scenario's place: by number, then variant, then browser; the further ones (x…) last.
func (r row) rank() (extra bool, number int, variant string) {
	n, extra := strings.CutPrefix(r.number, "x")
	digits := len(n) - len(strings.TrimLeft(n, "0123456789"))
	number, _ = strconv.Atoi(n[:digits])
	return extra, number, n[digits:]
}

// order sorts the rows.
func order(a, b row) int {
	ax, an, av := a.rank()
	bx, bn, bv := b.rank()
	if ax != bx {
		if bx {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(an, bn), cmp.Compare(av, bv))
}

// keep takes over the rows of an earlier matrix.
func (m *matrix) keep(earlier []byte) {
	for line := range strings.Lines(string(earlier)) {
		cells := strings.Split(line, " | ")
		number := strings.TrimPrefix(cells[0], "| ")
		if len(cells) > 5 && strings.ContainsAny(number, "0123456789") {
			m.rows = append(m.rows, row{number: number, text: line})
		}
	}
}

// write makes the connection matrix as Markdown. m.mu is held.
func (m *matrix) write() error {
	slices.SortFunc(m.rows, order)
	var b strings.Builder
	b.WriteString("| | network | | audio | video | first audio | bound | `parley doctor` says | what the user is told |\n|---|---|---|---|---|---|---|---|---|\n")
	for _, r := range m.rows {
		if r.text != "" {
			b.WriteString(r.text)
			continue
		}
		told := strings.NewReplacer("|", "\\|", "\n", " ").Replace(r.told)
		fmt.Fprintf(&b, "| %s | %s | %s | %s | %s | %s | %s | %s | %s |\n", r.number, r.name, r.result, r.audio, r.video, r.first, r.bound, r.doctor, told)
	}
	if err := os.MkdirAll(filepath.Dir(m.path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(m.path, []byte(b.String()), 0o644)
}

// The matrix is in the order of the list and written with each row; a run of a few scenarios keeps what is known of
// the others, and a whole one nothing.
func TestMatrixIsWrittenWithEachRow(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.md")
	play := func(whole bool, rows ...row) {
		m := newMatrix(path, whole)
		for _, r := range rows {
			if err := m.add(r); err != nil {
				t.Fatal(err)
			}
		}
	}
	written := func() (got []string) {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			cells := strings.Split(line, " | ")
			if len(cells) > 5 && !strings.Contains(line, "network") {
				got = append(got, strings.TrimPrefix(cells[0], "| ")+cells[2]+cells[8])
			}
		}
		return got
	}
	for _, tc := range []struct {
		name  string
		whole bool
		rows  []row
		want  []string
	}{
		{"the first", true, []row{{number: "x2", result: "✅"}, {number: "10", result: "✅"}, {number: "2", told: "a|b"}, {number: "2-firefox"}, {number: "2b"}},
			[]string{"2a\\|b |\n", "2-firefox |\n", "2b |\n", "10✅ |\n", "x2✅ |\n"}},
		{"one of them again", false, []row{{number: "10", result: "🔴"}}, []string{"2a\\|b |\n", "2-firefox |\n", "2b |\n", "10🔴 |\n", "x2✅ |\n"}},
		{"all, and cut off", true, []row{{number: "10", result: "✅"}}, []string{"10✅ |\n"}},
	} {
		play(tc.whole, tc.rows...)
		if got := written(); !slices.Equal(got, tc.want) {
			t.Errorf("%s: rows %q, want %q", tc.name, got, tc.want)
		}
	}
}
