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
)

// matrix collects the results for lab.md.
type matrix struct {
	mu   sync.Mutex
	rows []row
}

// row is what became of one scenario.
type row struct {
	number, name, result, audio, video, first, bound, doctor, told string

	late bool // all is well but the time

	text string // of a row kept from an earlier run
}

func (m *matrix) add(r row) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rows = append(m.rows, r)
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

// keep takes over the rows of an earlier matrix that this run has not played.
func (m *matrix) keep(earlier []byte) {
	for line := range strings.Lines(string(earlier)) {
		cells := strings.Split(line, " | ")
		number := strings.TrimPrefix(cells[0], "| ")
		if len(cells) > 5 && strings.ContainsAny(number, "0123456789") && !slices.ContainsFunc(m.rows, func(r row) bool { return r.number == number }) {
			m.rows = append(m.rows, row{number: number, text: line})
		}
	}
}

// write makes the connection matrix as Markdown. Rows that this run has not played stay as they were.
func (m *matrix) write(path string) error {
	if earlier, err := os.ReadFile(path); err == nil {
		m.keep(earlier)
	}
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
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return os.WriteFile(path, []byte(b.String()), 0o644)
}

// The matrix is in the order of the list, and a run of a few scenarios keeps what is known of the others.
func TestMatrixKeepsRowsOfEarlierRuns(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lab.md")
	first := matrix{rows: []row{{number: "x2", result: "✅"}, {number: "10", result: "✅"}, {number: "2", told: "a|b"}, {number: "2-firefox"}, {number: "2b"}}}
	if err := first.write(path); err != nil {
		t.Fatal(err)
	}
	second := matrix{rows: []row{{number: "10", result: "🔴"}}}
	if err := second.write(path); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(line, " | ")
		if len(cells) > 5 && !strings.Contains(line, "network") {
			got = append(got, strings.TrimPrefix(cells[0], "| ")+cells[2])
		}
	}
	if want := []string{"2", "2-firefox", "2b", "10🔴", "x2✅"}; !slices.Equal(got, want) || !strings.Contains(string(text), `a\|b`) {
		t.Errorf("rows %q, want %q\n%s", got, want, text)
	}
}
