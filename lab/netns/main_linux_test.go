package netns

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) {
	flag.Parse()
	goleak.VerifyTestMain(m)
}

// What PARLEY_LAB says: "all" is all of the laboratory, "fast" what takes a minute and judges no times, "required" the
// same, failing where it can't be. Without it a -run of one's own runs what it names, and nothing else does.

// fastLab reports whether only the fast scenarios are wanted.
func fastLab() bool {
	mode := os.Getenv("PARLEY_LAB")
	return mode == "fast" || mode == "required"
}

// needAll skips what is not among the fast.
func needAll(t *testing.T) {
	t.Helper()
	if fastLab() {
		t.Skip("the whole laboratory runs by itself: make lab")
	}
	needLab(t)
}

// needLab skips where the laboratory can't be: it takes root, iproute2 and nftables.
func needLab(t *testing.T) {
	t.Helper()
	if mode := os.Getenv("PARLEY_LAB"); mode == "none" || mode == "" && flag.Lookup("test.run").Value.String() == "" {
		t.Skip("the laboratory of network namespaces runs by itself: make lab")
	}
	missing := t.Skipf
	if os.Getenv("PARLEY_LAB") == "required" {
		missing = t.Fatalf
	}
	if os.Geteuid() != 0 {
		missing("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft", "ffmpeg", "squid"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing("%s is not installed", tool)
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		missing("no /dev/net/tun")
	}
}

// built is what all tests of one run share, made when it is first needed.
type built struct {
	once   sync.Once
	err    error
	binary string
	dir    string

	clips sync.Mutex
	made  map[int]string // guarded by clips: by kbit/s
}

// get builds the binary, unless there is one.
func (b *built) get(t *testing.T) string {
	t.Helper()
	b.once.Do(func() { b.err = b.make() })
	if b.err != nil {
		t.Fatal(b.err)
	}
	t.Cleanup(func() { os.RemoveAll(b.dir) })
	return b.binary
}

func (b *built) make() (err error) {
	if err := RemoveStale(); err != nil {
		return err
	}
	if b.dir, err = os.MkdirTemp("", "parley-lab-"); err != nil {
		return err
	}
	if b.binary = os.Getenv("PARLEY_BINARY"); b.binary != "" {
		return nil
	}
	b.binary = filepath.Join(b.dir, "parley")
	if out, err := exec.Command("go", "build", "-o", b.binary, "../../cmd/parley").CombinedOutput(); err != nil {
		return fmt.Errorf("building: %w: %s", err, out)
	}
	return nil
}

// clip is what a client sends: a tone, and pictures of so many kbit/s.
func (b *built) clip(t *testing.T, kbit int) string {
	t.Helper()
	b.clips.Lock()
	defer b.clips.Unlock()
	path := b.made[kbit]
	if path == "" {
		size := "160x120"
		if kbit > 0 {
			size = "640x360"
		}
		var err error
		if path, err = b.film(fmt.Sprintf("%d.webm", kbit), size, fmt.Sprintf("%dk", cmp.Or(kbit, 60))); err != nil {
			t.Fatal(err)
		}
		if b.made == nil {
			b.made = map[int]string{}
		}
		b.made[kbit] = path
	}
	return path
}

// film makes a clip: a moving picture and a tone.
func (b *built) film(name, size, rate string) (string, error) {
	path := filepath.Join(b.dir, name)
	out, err := exec.Command("ffmpeg", "-loglevel", "error", "-f", "lavfi", "-i", "testsrc2=rate=10:size="+size, "-f", "lavfi", "-i", "sine=frequency=440",
		"-t", "4", "-c:v", "libvpx", "-deadline", "realtime", "-b:v", rate, "-minrate", rate, "-maxrate", rate, "-g", "10", "-c:a", "libopus", "-b:a", "24k", path).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("making a clip: %w: %s", err, out)
	}
	return path, nil
}
