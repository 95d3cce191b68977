package mmr

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// seededBug is one mistake in a copy of the packet path.
type seededBug struct {
	name     string
	file     string // from the module's root
	old, new string // old must be there once
}

// What a hurried hand might do. bug(…) is true in a run that asks for that mistake.
var seededBugs = []seededBug{
	{"wrap taken for a jump back", "core/forward/admit.go",
		"d := int64(h.Seq.Diff(rtp.Seq(st.top)))",
		"d := int64(h.Seq.Diff(rtp.Seq(st.top)))\nif bug() { d = int64(h.Seq) - int64(rtp.Seq(st.top)) }"},
	{"late packet in another stream's stretch", "core/forward/choose.go",
		"if iv.stream == id && iv.first <= m.ext && m.ext <= iv.last {",
		"if (iv.stream == id || bug()) && iv.first <= m.ext && m.ext <= iv.last {"},
	{"number used twice at a switch", "core/forward/choose.go",
		"off: l.top + 1 - m.ext, timeOff:",
		"off: l.top + 1 - once(bug() && l.sent) - m.ext, timeOff:"},
	{"marker lost in a late packet", "core/forward/choose.go",
		"	m.refs++\n	out.Descs = append(out.Descs, d)\n	if newest {",
		"	m.refs++\n	if bug() && !newest { d.Marker = false }\n	out.Descs = append(out.Descs, d)\n	if newest {"},
	{"picture number jumps at a switch", "core/forward/choose.go",
		"pic, frame, tl0 = l.pic+1, l.frame+1, l.tl0+1",
		"pic, frame, tl0 = l.pic+1+uint16(once(bug())), l.frame+1, l.tl0+1"},
	{"time stands still at a switch", "core/forward/choose.go",
		"first = l.lastTime + rtp.Time(max(rtp.Ticks(at-l.lastAt, st.cfg.Clock), 1))",
		"first = l.lastTime + rtp.Time(max(rtp.Ticks(at-l.lastAt, st.cfg.Clock), 1))\nif bug() { first = l.lastTime + 1 }"},
	{"gap left where padding was", "core/forward/choose.go",
		"old.off-1\n", "old.off-1+once(bug())\n"},
	{"retransmission from the newest stretch", "core/forward/nack.go",
		"k := st.find(n - iv.off)", "if bug() { iv = &l.iv[l.now] }\nk := st.find(n - iv.off)"},
	{"frame number of the descriptor as it came", "core/forward/write.go",
		"binary.BigEndian.PutUint16(v[1:], d.Frame)", "if !bug() { binary.BigEndian.PutUint16(v[1:], d.Frame) }"},
	{"transport-wide number spent on sound", "mmr/outbox.go",
		"		if d.TWCC {\n			c.sent++", "		if d.TWCC || bug() {\n			c.sent++"},
	{"packets sorted by size", "mmr/outbox.go",
		"as, ak := rank(&a)\n", "as, ak := rank(&a)\nif bug() && key(&a) == key(&b) { return b.Size - a.Size }\n"},
	{"end of a frame without a marker not seen", "core/forward/admit.go",
		"if d.End {", "if d.End && !bug() {"},
	{"held packet forgotten", "mmr/outbox.go",
		"	box.held, box.until = true, at\n	q.push(", "	box.held, box.until = true, at\n	if bug() { return }\n	q.push("},
}

// The comparison is worth what it finds: each mistake above, made in a copy of the packet path, must make
// it fail, and the copy without one must not.
func TestSeededBugsAreFound(t *testing.T) {
	if os.Getenv("PARLEY_BUG") != "" {
		t.Skip("inside the copy")
	}
	if testing.Short() {
		t.Skip("builds a copy of the tests")
	}
	dir := t.TempDir()
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	binary := buildWithBugs(t, dir, root)
	run := func(name string, seed int) (string, error) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		cmd := exec.CommandContext(ctx, binary, "-test.run", "^TestEveryPacketArrivesAsTheReferenceSays$")
		cmd.Dir = filepath.Join(root, "mmr")
		cmd.Env = append(os.Environ(), "PARLEY_BUG="+name, "PARLEY_SOAK=", "PARLEY_SEED="+strconv.Itoa(seed))
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("none", 0); err != nil {
		t.Fatalf("the copy without a mistake fails: %v\n%s", err, out)
	}
	for _, b := range seededBugs {
		var out string
		var err error
		for seed := 0; seed < 32 && err == nil; seed += 4 { // handshakes are not seeded: a rare one may take longer to meet
			out, err = run(b.name, seed)
		}
		if err == nil {
			t.Errorf("%s: not found", b.name)
		} else if !strings.Contains(out, "FAIL: TestEveryPacket") {
			t.Errorf("%s: ended otherwise than by the comparison: %v\n%s", b.name, err, out)
		}
	}
}

// buildWithBugs makes a test binary of this package in which every mistake can be switched on.
func buildWithBugs(t *testing.T, dir, root string) string {
	t.Helper()
	replace := map[string]string{}
	write := func(path, text string) {
		copied := filepath.Join(dir, strings.ReplaceAll(path, "/", "_"))
		if err := os.WriteFile(copied, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		replace[filepath.Join(root, path)] = copied
	}
	texts := map[string]string{}
	for _, b := range seededBugs {
		text := texts[b.file]
		if text == "" {
			raw, err := os.ReadFile(filepath.Join(root, b.file))
			if err != nil {
				t.Fatal(err)
			}
			text = string(raw)
		}
		if n := strings.Count(text, b.old); n != 1 {
			t.Fatalf("%s: %q is %d times in %s, want once: the mistake must be made elsewhere", b.name, b.old, n, b.file)
		}
		call := `bug("` + b.name + `")`
		texts[b.file] = strings.Replace(text, b.old, strings.ReplaceAll(b.new, "bug()", call), 1)
	}
	for path, text := range texts {
		write(path, text)
	}
	for _, pkg := range []string{"core/forward", "mmr"} {
		write(pkg+"/bug.go", "package "+filepath.Base(pkg)+`

import "os"

var wanted = os.Getenv("PARLEY_BUG")

func bug(name string) bool { return wanted == name }

func once(yes bool) int64 {
	if yes {
		return 1
	}
	return 0
}

var _ = once
`)
	}
	overlay, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	list, binary := filepath.Join(dir, "overlay.json"), filepath.Join(dir, "copy.test")
	if err := os.WriteFile(list, overlay, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "test", "-c", "-vet=off", "-overlay", list, "-o", binary, ".")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the copy: %v\n%s", err, out)
	}
	return binary
}
