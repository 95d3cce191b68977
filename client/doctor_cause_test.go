package client

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Each cause is somewhere in the order of causes, once, and operators are told what it means.
func TestEachCauseHasItsPlaceAndItsWords(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "doctor_judge.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	manual, err := os.ReadFile("../OPERATING.md")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for spec := range ast.Preorder(file) {
		v, ok := spec.(*ast.ValueSpec)
		if !ok || len(v.Values) != 1 {
			continue
		}
		if typ, ok := v.Type.(*ast.Ident); !ok || typ.Name != "Cause" {
			continue
		}
		text, err := strconv.Unquote(v.Values[0].(*ast.BasicLit).Value)
		if err != nil {
			t.Fatal(err)
		}
		n++
		first := slices.Index(gravity[:], Cause(text))
		if first < 0 || slices.Contains(gravity[first+1:], Cause(text)) {
			t.Errorf("%s is not in the order of causes, or twice", text)
		}
		if !strings.Contains(string(manual), "`"+text) {
			t.Errorf("OPERATING.md says nothing of %s", text)
		}
	}
	if n != len(gravity) {
		t.Errorf("%d causes, %d in their order", n, len(gravity))
	}
}
