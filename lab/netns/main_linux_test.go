package netns

import (
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

// needLab skips where the laboratory can't be: it takes root, iproute2 and nftables, and a minute or more,
// so that it runs when asked for: by `make lab`, or by a -run of one's own.
func needLab(t *testing.T) {
	t.Helper()
	if os.Getenv("PARLEY_LAB") == "" && flag.Lookup("test.run").Value.String() == "" {
		t.Skip("the laboratory of network namespaces runs by itself: make lab")
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces need root")
	}
	for _, tool := range []string{"ip", "nft", "ffmpeg"} {
		if _, err := exec.LookPath(tool); err != nil {
			t.Skipf("%s is not installed", tool)
		}
	}
	if _, err := os.Stat("/dev/net/tun"); err != nil {
		t.Skip("no /dev/net/tun")
	}
}

// built is what all tests share: the binary and a clip, made once.
type built struct {
	once   sync.Once
	err    error
	binary string
	dir    string
	clip   string

	bigOnce sync.Once
	bigClip string
	bigErr  error
}

func (b *built) get(t *testing.T) (binary, clip string) {
	t.Helper()
	b.once.Do(func() { b.err = b.make() })
	t.Cleanup(func() { os.RemoveAll(b.dir) })
	if b.err != nil {
		t.Fatal(b.err)
	}
	return b.binary, b.clip
}

func (b *built) make() error {
	if err := RemoveStale(); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "parley-lab-")
	if err != nil {
		return err
	}
	b.binary = os.Getenv("PARLEY_BINARY")
	if b.binary == "" {
		b.binary = filepath.Join(dir, "parley")
		if out, err := exec.Command("go", "build", "-o", b.binary, "../../cmd/parley").CombinedOutput(); err != nil {
			return fmt.Errorf("building: %w: %s", err, out)
		}
	}
	b.dir = dir
	b.clip, err = b.film("clip.webm", "160x120", "60k")
	return err
}

// big is a clip whose picture needs a megabit a second.
func (b *built) big(t *testing.T) string {
	t.Helper()
	b.bigOnce.Do(func() { b.bigClip, b.bigErr = b.film("big.webm", "640x360", "1000k") })
	if b.bigErr != nil {
		t.Fatal(b.bigErr)
	}
	return b.bigClip
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
