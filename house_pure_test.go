package house_test

import (
	"bytes"
	"go/ast"
	"go/token"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func readFile(name string) ([]byte, error) { return os.ReadFile(name) }

// selectors finds uses of package-level names of the imported package path: "time".Now, "net".Dial.
func selectors(f file, path string, found func(name string, at ast.Node)) {
	local := ""
	for imp, at := range f.imports {
		if imp != path {
			continue
		}
		local = path[strings.LastIndexByte(path, '/')+1:]
		if n := at.(*ast.ImportSpec).Name; n != nil {
			local = n.Name
		}
	}
	if local == "" {
		return
	}
	ast.Inspect(f.ast, func(n ast.Node) bool {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == local && x.Obj == nil {
			found(sel.Sel.Name, sel)
		}
		return true
	})
}

// Pure code is replayed bit for bit: what it did with an event at a time, it does again.
func TestCoreAndWireArePure(t *testing.T) {
	impure := map[string]string{
		"os": "files and environment", "os/exec": "processes", "net": "sockets (net/netip is fine)", "net/http": "sockets",
		"crypto/rand": "randomness; it comes in", "math/rand": "randomness; it comes in", "math/rand/v2": "randomness; it comes in",
		"sync": "locks: the caller owns a mind", "sync/atomic": "sharing: the caller owns a mind", "context": "waiting",
		"log": "logging: minds answer with reasons", "log/slog": "logging: minds answer with reasons", "io/fs": "files",
	}
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "Sleep", "Tick", "NewTimer", "NewTicker"}
	for _, f := range house(t) {
		if f.test || !strings.HasPrefix(f.pkg, "core/") && !strings.HasPrefix(f.pkg, "wire/") {
			continue
		}
		for imp, at := range f.imports {
			if why, bad := impure[imp]; bad {
				t.Errorf("%s imports %s, that is %s: core and wire are pure", f.at(at), imp, why)
			}
		}
		selectors(f, "time", func(name string, at ast.Node) {
			if slices.Contains(clock, name) {
				t.Errorf("%s reads the clock with time.%s: core and wire are told the time, so that tests can replay it", f.at(at), name)
			}
		})
		ast.Inspect(f.ast, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.GoStmt:
				t.Errorf("%s starts a goroutine: core and wire run on their caller's", f.at(n))
			case *ast.ChanType:
				t.Errorf("%s has a channel: core and wire run on their caller's goroutine", f.at(n))
			}
			return true
		})
	}
}

// Only sys/link opens sockets, and the laboratory simulates them: so whole systems run in a test.
func TestOnlyLinkOpensSockets(t *testing.T) {
	const why = "only sys/link opens sockets, so that the laboratory can stand in for the network"
	// http.Client and http.Server are fine: they get their sockets from link.
	bad := map[string][]string{
		"net":        {"Dial", "DialTimeout", "DialTCP", "DialUDP", "DialIP", "DialUnix", "Dialer", "Listen", "ListenPacket", "ListenTCP", "ListenUDP", "ListenUnix", "ListenIP", "ListenConfig", "ListenMulticastUDP", "LookupHost", "LookupIP", "LookupAddr", "DefaultResolver", "Resolver"},
		"crypto/tls": {"Dial", "DialWithDialer", "Dialer", "Listen"},
		"net/http":   {"Get", "Post", "PostForm", "Head", "DefaultClient", "DefaultTransport", "ListenAndServe", "ListenAndServeTLS"},
		"syscall":    {"Socket", "Bind", "Connect"},
	}
	for _, f := range house(t) {
		// The bench runs built servers of any make on the real kernel; no laboratory could stand in for it.
		if f.test || within(f.pkg, "sys/link") || within(f.pkg, "lab") || f.pkg == "bench" {
			continue
		}
		for pkg, names := range bad {
			selectors(f, pkg, func(name string, at ast.Node) {
				if slices.Contains(names, name) {
					t.Errorf("%s uses %s.%s: %s", f.at(at), pkg, name, why)
				}
			})
		}
	}
}

func TestEachPackageHasOneComment(t *testing.T) {
	comments := make(map[string][]string)
	for _, f := range house(t) {
		if f.test {
			continue
		}
		if _, ok := comments[f.pkg]; !ok {
			comments[f.pkg] = nil
		}
		if f.ast.Doc != nil {
			comments[f.pkg] = append(comments[f.pkg], f.name)
			text := f.ast.Doc.Text()
			if want := "Package " + f.ast.Name.Name + " "; f.ast.Name.Name != "main" && !strings.HasPrefix(text, want) {
				t.Errorf("%s: the package comment begins with %q", f.name, want)
			}
		}
	}
	for pkg, in := range comments {
		if len(in) != 1 {
			t.Errorf("package %s has %d package comments %v: one place says what a package is for", pkg, len(in), in)
		}
	}
}

// A package-level variable that changes would make two servers in one process one.
func TestNoMutablePackageVariables(t *testing.T) {
	const why = "tables, errors and embedded files only: many servers live in one process"
	byPkg := make(map[string][]file)
	for _, f := range house(t) {
		if !f.test {
			byPkg[f.pkg] = append(byPkg[f.pkg], f)
		}
	}
	for _, files := range byPkg {
		vars := make(map[string]bool)
		top := make(map[any]bool) // their declarations, to tell them from locals of the same name
		for _, f := range files {
			for _, d := range f.ast.Decls {
				g, ok := d.(*ast.GenDecl)
				if !ok || g.Tok != token.VAR {
					continue
				}
				for _, s := range g.Specs {
					v := s.(*ast.ValueSpec)
					top[v] = true
					embedded := bytes.Contains(f.text, []byte("//go:embed")) && len(v.Values) == 0
					if len(v.Values) == 0 && !embedded {
						t.Errorf("%s: variable %s has no value of its own, so something must set it: %s", f.at(v), v.Names[0], why)
					}
					for _, n := range v.Names {
						vars[n.Name] = n.Name != "_"
					}
				}
			}
		}
		for _, f := range files {
			ast.Inspect(f.ast, func(n ast.Node) bool {
				var set []ast.Expr
				switch n := n.(type) {
				case *ast.AssignStmt:
					if n.Tok != token.DEFINE {
						set = n.Lhs
					}
				case *ast.IncDecStmt:
					set = []ast.Expr{n.X}
				case *ast.UnaryExpr:
					if n.Op == token.AND {
						set = []ast.Expr{n.X}
					}
				}
				for _, e := range set {
					id := root(e)
					if id == nil || !vars[id.Name] {
						continue
					}
					// Without an object it is declared in another file, so it is the package's.
					if id.Obj == nil || top[id.Obj.Decl] {
						t.Errorf("%s: package variable %s is changed or its address taken: %s", f.at(n), id.Name, why)
					}
				}
				return true
			})
		}
	}
}

// root is the variable an expression reaches into; nil where it goes through a call.
func root(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

func TestNothingIsLeftForLater(t *testing.T) {
	later := regexp.MustCompile(`\b(TO` + `DO|FIX` + `ME|XX` + `X|HA` + `CK)\b`)
	walk(t, func(name string, text []byte) {
		if name == "house_pure_test.go" {
			return
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			if m := later.Find(line); m != nil {
				t.Errorf("%s:%d says %s: work that is left belongs to an issue, not into the code", name, i+1, m)
			}
		}
	})
}

func TestTheProductHasItsOwnName(t *testing.T) {
	other := regexp.MustCompile(`\bZo` + `om\b`)
	walk(t, func(name string, text []byte) {
		if strings.HasSuffix(name, ".md") {
			return // the documents may name what others make
		}
		for i, line := range bytes.Split(text, []byte("\n")) {
			if other.Match(line) {
				t.Errorf("%s:%d names another product: this one is called Parley", name, i+1)
			}
		}
	})
}

func TestFilesHaveOneConcern(t *testing.T) {
	for _, f := range house(t) {
		if n := bytes.Count(f.text, []byte("\n")); n > 800 {
			t.Errorf("%s has %d lines: past 800, look for the second concern", f.name, n)
		}
	}
}
