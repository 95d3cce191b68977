// Package house_test checks the rules of the house: which package may know which, who owns each large
// library, and what pure code may not touch. Each failure says the rule's reason.
package house_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// floors says what each floor may import of the house itself. The first entry whose prefix matches a
// package counts. Tests may import more: they compose parts on purpose.
var floors = []struct {
	pkg    string
	may    []string
	reason string
}{
	{"wire/", []string{"wire/"}, "wire is facts about bytes: it knows nothing but other formats"},
	{"core/", []string{"wire/"}, "core decides: it is told facts and answers with actions, so it needs formats and nothing else"},
	{"sys/monitor", []string{"wire/", "core/"}, "sys/monitor shows counters: it reaches for no other hand"},
	{"sys/", []string{"wire/", "sys/"}, "sys are hands: they do as told and decide nothing, so they know no core and no part"},
	{"client", []string{"core/", "wire/", "sys/"}, "parts never import parts: they meet over the wire only"},
	{"web", []string{"core/", "wire/", "sys/"}, "parts never import parts: they meet over the wire only"},
	{"zone", []string{"core/", "wire/", "sys/"}, "parts never import parts: they meet over the wire only"},
	{"mmr", []string{"core/", "wire/", "sys/"}, "parts never import parts: they meet over the wire only"},
	{"tunnel", []string{"core/", "wire/", "sys/"}, "parts never import parts: they meet over the wire only"},
	{"connector", []string{"core/", "wire/", "sys/"}, "parts never import parts: they meet over the wire only"},
	{"ui", nil, "ui is files in a binary"},
	{"node", []string{"core/", "wire/", "sys/", "web", "zone", "mmr", "tunnel", "connector"}, "node composes servers; the client is not one"},
	{"lab", []string{"lab/", "core/", "wire/", "sys/", "client", "web", "zone", "mmr", "tunnel", "connector", "node"}, "the laboratory may hold everything but the command line"},
	{"bench", []string{"core/", "wire/", "sys/", "client", "node", "lab"}, "benches measure what is built, from outside its parts"},
	{"cmd/", []string{"core/", "wire/", "sys/", "client", "node", "ui", "bench"}, "a command reads flags: parts are composed in node"},
}

// owners says who may import a library, and why it is worth having. The longest prefix of an import path counts.
var owners = []struct {
	library string
	pkgs    []string
	reason  string
}{
	{"github.com/pion/", []string{"sys/rtc"}, "DTLS 1.2 that browsers and years of strangers have tried; its fast-moving versions must stay in one place"},
	{"github.com/nats-io/", []string{"sys/bus"}, "coordination that exists and is trusted: we write no broker, no gossip and no consensus"},
	{"github.com/uptrace/bun", []string{"sys/store"}, "one SQL for SQLite and PostgreSQL; SQL stays in one place"},
	{"github.com/pressly/goose", []string{"sys/store"}, "numbered migrations; SQL stays in one place"},
	{"modernc.org/sqlite", []string{"sys/store"}, "an embedded database without cgo; SQL stays in one place"},
	{"github.com/go-jose/go-jose", []string{"sys/trust"}, "JWS by people who know its traps; keys stay in one place"},
	{"golang.org/x/crypto/argon2", []string{"sys/trust"}, "password hashing as RFC 9106 has it; keys stay in one place"},
	{"github.com/oschwald/geoip2-golang", []string{"sys/geo"}, "the reader of the mmdb format"},
	{"github.com/at-wat/ebml-go", []string{"sys/clip"}, "EBML, the container inside WebM"},
	{"github.com/coder/websocket", []string{"sys/link"}, "RFC 6455 with contexts; sockets stay in one place"},
	{"github.com/pires/go-proxyproto", []string{"sys/link"}, "the header a balancer puts before a connection, versions 1 and 2; sockets stay in one place"},
	{"golang.org/x/sys/unix", []string{"sys/link", "lab/netns"}, "recvmmsg, sendmmsg and UDP_SEGMENT; sockets stay in one place, and the laboratory makes the machines around them"},
	{"github.com/prometheus/client_golang", []string{"sys/monitor"}, "the format every monitoring system reads"},
	{"golang.org/x/time/rate", []string{"zone"}, "a token bucket that is right"},
	{"go.yaml.in/yaml", []string{"node"}, "the config file: unknown keys are errors with their line"},
	{"github.com/alecthomas/kong", []string{"cmd/parley"}, "flags and help from struct tags"},
	{"github.com/charmbracelet/x/term", []string{"cmd/parley"}, "a password that is not shown while it is typed, on every system"},
	{"go.uber.org/goleak", []string{"tests"}, "Run returns when all it started has ended: this proves it"},
	{"github.com/google/go-cmp", []string{"tests"}, "differences a reader of a failed test can see"},
	{"pgregory.net/rapid", []string{"tests"}, "random scripts that shrink to the shortest failing one"},
	{"github.com/dop251/goja", []string{"sys/proxy"}, "proxy auto-config scripts are JavaScript"},
	{"golang.org/x/net/http/httpproxy", []string{"sys/proxy"}, "what NO_PROXY means, as every other program has it"},
	{"golang.org/x/net/ipv", []string{"sys/link"}, "batches and packet information where there is no Linux; sockets stay in one place"},
}

// file is one parsed source file of the module.
type file struct {
	name string // "core/join/join.go"
	pkg  string // its directory
	test bool
	ast  *ast.File
	fset *token.FileSet
	text []byte
}

func (f file) at(n ast.Node) string {
	return f.name + ":" + strconv.Itoa(f.fset.Position(n.Pos()).Line)
}

// imports are the file's import paths.
func (f file) imports(yield func(path string, at ast.Node) bool) {
	for _, spec := range f.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err == nil && !yield(p, spec) {
			return
		}
	}
}

// skipDir are directories that hold no code of this module.
func skipDir(name string) bool {
	switch name {
	case ".git", "bin", "data", "node_modules", "tools", "ui/dist/app", "ui/node_modules", "tests/out", "lab/interop":
		return true
	}
	return path.Base(name) == "testdata" || strings.HasPrefix(path.Base(name), ".") && name != "."
}

// house reads all Go files of the module.
func house(t *testing.T) []file {
	t.Helper()
	var files []file
	fset := token.NewFileSet()
	walk(t, func(name string, text []byte) {
		if !strings.HasSuffix(name, ".go") {
			return
		}
		a, err := parser.ParseFile(fset, name, text, parser.ParseComments)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			return
		}
		dir := path.Dir(name)
		files = append(files, file{name, dir, strings.HasSuffix(name, "_test.go"), a, fset, text})
	})
	if len(files) < 50 {
		t.Fatalf("found %d files only: is this the root of the module?", len(files))
	}
	return files
}

// walk hands over every text file of the repository.
func walk(t *testing.T, do func(name string, text []byte)) {
	t.Helper()
	kinds := []string{".go", ".md", ".sh", ".sql", ".html", ".ts", ".tsx", ".css", ".yaml", ".yml"}
	err := filepath.WalkDir(".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // a file of somebody at work may vanish
		}
		name = filepath.ToSlash(name)
		if d.IsDir() {
			if skipDir(name) {
				return fs.SkipDir
			}
			return nil
		}
		if !slices.Contains(kinds, path.Ext(name)) && path.Base(name) != "Makefile" {
			return nil
		}
		text, err := readFile(name)
		if err == nil {
			do(name, text)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// within reports whether pkg is prefix, or below it.
func within(pkg, prefix string) bool {
	if p, ok := strings.CutSuffix(prefix, "/"); ok {
		return strings.HasPrefix(pkg, p+"/")
	}
	return pkg == prefix || strings.HasPrefix(pkg, prefix+"/")
}

func TestImportsGoDown(t *testing.T) {
	for _, f := range house(t) {
		if f.test || f.pkg == "." {
			continue
		}
		i := slices.IndexFunc(floors, func(r struct {
			pkg    string
			may    []string
			reason string
		}) bool {
			return within(f.pkg, r.pkg)
		})
		if i < 0 {
			t.Errorf("%s: package %s has no floor: give it one in house_test.go", f.name, f.pkg)
			continue
		}
		rule := floors[i]
		for imp, at := range f.imports {
			in, ours := strings.CutPrefix(imp, "parley/")
			if !ours || in == f.pkg || within(in, f.pkg) || within(f.pkg, in) {
				continue // one's own folder is one package and its inner ones
			}
			if !slices.ContainsFunc(rule.may, func(p string) bool { return within(in, p) }) {
				t.Errorf("%s imports %s: %s", f.at(at), imp, rule.reason)
			}
		}
	}
}

func TestLargeLibrariesHaveOneOwner(t *testing.T) {
	for _, f := range house(t) {
		for imp, at := range f.imports {
			if first, _, _ := strings.Cut(imp, "/"); !strings.Contains(first, ".") {
				continue // the standard library, or ours
			}
			if strings.HasPrefix(f.pkg, "wire/") && !f.test {
				t.Errorf("%s imports %s: wire is the standard library only, so that anybody can read and reuse it", f.at(at), imp)
			}
			if strings.HasPrefix(f.pkg, "core/") && !f.test {
				t.Errorf("%s imports %s: core is pure and needs no library", f.at(at), imp)
			}
			i := slices.IndexFunc(owners, func(o struct {
				library string
				pkgs    []string
				reason  string
			}) bool {
				return strings.HasPrefix(imp, o.library)
			})
			if i < 0 {
				t.Errorf("%s imports %s: a dependency has one owner, and a sentence in house_test.go that says why it is worth it", f.at(at), imp)
				continue
			}
			ok := slices.ContainsFunc(owners[i].pkgs, func(p string) bool {
				return p == "tests" && f.test || within(f.pkg, p)
			})
			if !ok {
				t.Errorf("%s imports %s, which belongs to %s: %s", f.at(at), imp, strings.Join(owners[i].pkgs, ", "), owners[i].reason)
			}
		}
	}
}
