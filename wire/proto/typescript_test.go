package proto

import (
	"bytes"
	"cmp"
	"fmt"
	"go/ast"
	"go/constant"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// typescriptPath is the generated twin of this package for the page.
const typescriptPath = "../../ui/src/proto/messages.gen.ts"

// typescriptFiles are those a page needs, in the order of the output: what servers say among themselves
// (servers.go) is not for it.
var typescriptFiles = []string{"proto.go", "error.go", "join.go", "page.go", "media.go", "control.go"}

// typescriptNames are the names that mean something else in TypeScript.
var typescriptNames = map[string]string{"Error": "ErrorBody"}

// TestTypeScript: messages.gen.ts says what this package says; go generate rewrites it.
func TestTypeScript(t *testing.T) {
	got := typescript(t)
	if *update {
		if err := os.WriteFile(typescriptPath, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(typescriptPath)
	if err != nil {
		t.Fatalf("%v (run go generate to write it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Error("messages.gen.ts is not what this package says; run go generate")
	}
}

// tsWriter turns the declarations of this package into TypeScript.
type tsWriter struct {
	*testing.T
	out    bytes.Buffer
	pkg    *types.Package
	files  []*ast.File
	enums  map[string][]enumValue // named type -> its constants
	wire   map[string]string      // struct -> "t" of the message
	shapes []string
}

type enumValue struct {
	name, doc string
	value     constant.Value
}

func typescript(t *testing.T) []byte {
	w := &tsWriter{T: t, enums: map[string][]enumValue{}, wire: map[string]string{}}
	fset := token.NewFileSet()
	for _, name := range typescriptFiles {
		f, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		w.files = append(w.files, f)
	}
	// Imports stay unresolved: no constant and no field of a message depends on one.
	conf := types.Config{Error: func(error) {}}
	w.pkg, _ = conf.Check("parley/wire/proto", fset, w.files, nil)
	w.collect()
	w.write()
	return w.out.Bytes()
}

func (w *tsWriter) printf(format string, args ...any) { fmt.Fprintf(&w.out, format, args...) }

// collect finds the enums, and which struct is which message.
func (w *tsWriter) collect() {
	for _, f := range w.files {
		for _, d := range f.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				if d.Tok != token.CONST {
					continue
				}
				w.eachConst(d, func(c *types.Const, spec *ast.ValueSpec) {
					if n, ok := c.Type().(*types.Named); ok {
						name := n.Obj().Name()
						w.enums[name] = append(w.enums[name], enumValue{c.Name(), docOf(spec.Doc, spec.Comment), c.Val()})
					}
				})
			case *ast.FuncDecl:
				if d.Recv == nil || d.Name.Name != "Type" || len(d.Body.List) != 1 {
					continue
				}
				recv, _ := d.Recv.List[0].Type.(*ast.Ident)
				ret, _ := d.Body.List[0].(*ast.ReturnStmt)
				if lit, ok := ret.Results[0].(*ast.BasicLit); ok && recv != nil {
					t, err := strconv.Unquote(lit.Value)
					if err != nil {
						w.Fatal(err)
					}
					w.wire[recv.Name] = t
				}
			}
		}
	}
	for name, values := range w.enums {
		if len(values) < 2 {
			delete(w.enums, name) // a limit, not a choice
		}
	}
}

func (w *tsWriter) eachConst(d *ast.GenDecl, do func(*types.Const, *ast.ValueSpec)) {
	for _, s := range d.Specs {
		spec := s.(*ast.ValueSpec)
		for _, n := range spec.Names {
			if c, ok := w.pkg.Scope().Lookup(n.Name).(*types.Const); ok && c.Exported() {
				do(c, spec)
			}
		}
	}
}

func (w *tsWriter) write() {
	w.printf("// Generated from wire/proto by go generate. Do not edit.\n")
	for _, f := range w.files {
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			switch g.Tok {
			case token.CONST:
				w.eachConst(g, func(c *types.Const, spec *ast.ValueSpec) { w.constant(c, spec, g) })
			case token.VAR:
				for _, s := range g.Specs {
					w.table(g, s.(*ast.ValueSpec))
				}
			case token.TYPE:
				for _, s := range g.Specs {
					w.typeDecl(g, s.(*ast.TypeSpec))
				}
			}
		}
	}
	w.messages()
}

func (w *tsWriter) constant(c *types.Const, spec *ast.ValueSpec, g *ast.GenDecl) {
	typ := ""
	if n, ok := c.Type().(*types.Named); ok {
		if w.enums[n.Obj().Name()] != nil {
			return
		}
		typ = ": " + n.Obj().Name()
	}
	doc := docOf(spec.Doc, spec.Comment)
	if len(g.Specs) == 1 {
		doc = docOf(g.Doc, spec.Comment)
	} else if spec == g.Specs[0] && g.Doc != nil {
		w.printf("\n// %s\n", strings.ReplaceAll(strings.TrimSpace(g.Doc.Text()), "\n", "\n// "))
	}
	if len(g.Specs) == 1 {
		w.printf("\n")
	}
	w.comment("", doc)
	w.printf("export const %s%s = %s;\n", c.Name(), typ, literal(c.Val()))
}

// table writes a list of strings.
func (w *tsWriter) table(g *ast.GenDecl, spec *ast.ValueSpec) {
	list, ok := spec.Values[0].(*ast.CompositeLit)
	if !ok {
		return
	}
	var items []string
	for _, e := range list.Elts {
		items = append(items, e.(*ast.BasicLit).Value)
	}
	w.printf("\n")
	w.comment("", docOf(g.Doc, spec.Comment))
	w.printf("export const %s = [%s] as const;\n", spec.Names[0].Name, strings.Join(items, ", "))
}

func (w *tsWriter) typeDecl(g *ast.GenDecl, spec *ast.TypeSpec) {
	name := tsName(spec.Name.Name)
	obj := w.pkg.Scope().Lookup(spec.Name.Name)
	if !obj.Exported() || name == "Unknown" {
		return
	}
	switch u := obj.Type().Underlying().(type) {
	case *types.Interface:
	case *types.Struct:
		w.printf("\n")
		w.comment("", docOf(g.Doc, nil))
		w.structDecl(name, u, spec.Type.(*ast.StructType))
	default:
		w.printf("\n")
		w.comment("", docOf(g.Doc, nil))
		if values := w.enums[name]; values != nil {
			w.enum(name, values)
		} else {
			w.printf("export type %s = %s;\n", name, w.tsType(u))
		}
	}
}

// enum writes the constants of one type as an object, their common first word left out.
func (w *tsWriter) enum(name string, values []enumValue) {
	prefix := firstWord(values[0].name)
	for _, v := range values {
		if firstWord(v.name) != prefix {
			prefix = ""
		}
	}
	w.printf("export const %s = {\n", name)
	for _, v := range values {
		w.comment("\t", v.doc)
		w.printf("\t%s: %s,\n", strings.TrimPrefix(v.name, prefix), literal(v.value))
	}
	w.printf("} as const;\nexport type %s = (typeof %s)[keyof typeof %s];\n", name, name, name)
}

func firstWord(s string) string {
	for i, r := range s {
		if i > 0 && r >= 'A' && r <= 'Z' {
			return s[:i]
		}
	}
	return s
}

func (w *tsWriter) structDecl(name string, s *types.Struct, decl *ast.StructType) {
	docs := map[string]string{}
	for _, f := range decl.Fields.List {
		for _, n := range f.Names {
			docs[n.Name] = docOf(f.Doc, f.Comment)
		}
	}
	var shape []string
	w.printf("export interface %s {\n", name)
	for i := range s.NumFields() {
		f := s.Field(i)
		key, opts, _ := strings.Cut(reflect.StructTag(s.Tag(i)).Get("json"), ",")
		optional, undefined, mark := "", "", ""
		if opts == "omitempty" || opts == "omitzero" {
			optional, undefined, mark = "?", " | undefined", "?"
		}
		w.comment("\t", docs[f.Name()])
		w.printf("\t%s%s: %s%s;\n", key, optional, w.tsType(f.Type()), undefined)
		shape = append(shape, fmt.Sprintf("%s: %q", key, mark+w.shape(f.Type())))
	}
	w.printf("}\n")
	w.shapes = append(w.shapes, fmt.Sprintf("\t%s: { %s },\n", name, strings.Join(shape, ", ")))
}

func (w *tsWriter) tsType(t types.Type) string {
	switch t := t.(type) {
	case *types.Named:
		return tsName(t.Obj().Name())
	case *types.Slice:
		return "readonly " + w.tsType(t.Elem()) + "[]"
	case *types.Basic:
		switch {
		case t.Info()&types.IsString != 0:
			return "string"
		case t.Info()&types.IsBoolean != 0:
			return "boolean"
		case t.Info()&types.IsNumeric != 0:
			return "number"
		}
	}
	w.Fatalf("no TypeScript for %v", t)
	return ""
}

// shape is what a reader checks a value against: "[]" for a list, a Go basic type or a struct.
func (w *tsWriter) shape(t types.Type) string {
	switch u := t.Underlying().(type) {
	case *types.Slice:
		return "[]" + w.shape(u.Elem())
	case *types.Struct:
		return tsName(t.(*types.Named).Obj().Name())
	case *types.Basic:
		return u.Name()
	}
	w.Fatalf("no shape for %v", t)
	return ""
}

func (w *tsWriter) messages() {
	var names []string
	for n := range w.wire {
		names = append(names, n)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Compare(w.wire[a], w.wire[b]) })
	w.printf("\n")
	w.comment("", "Which struct a control message is, by its \"t\".")
	w.printf("export interface MessageTypes {\n")
	for _, n := range names {
		w.printf("\t%s: %s;\n", w.wire[n], tsName(n))
	}
	w.printf("}\n")
	w.printf("\n")
	w.comment("", "One message of the control channel with its type in front.")
	w.printf("export type Message = { [T in keyof MessageTypes]: { t: T } & MessageTypes[T] }[keyof MessageTypes];\n")
	w.printf("\n")
	w.comment("", "The same for a reader: the name of the shape.")
	w.printf("export const messageShapes = {\n")
	for _, n := range names {
		w.printf("\t%s: %q,\n", w.wire[n], tsName(n))
	}
	w.printf("} as const;\n")
	w.printf("\n")
	w.comment("", "The fields of every struct in wire order: \"?\" where the zero value is left out, \"[]\" for a list.")
	w.printf("export const shapes = {\n%s} as const;\n", strings.Join(w.shapes, ""))
	w.printf("\n")
	w.comment("", "The struct of every shape.")
	w.printf("export interface Structs {\n")
	for _, s := range w.shapes {
		name, _, _ := strings.Cut(strings.TrimSpace(s), ":")
		w.printf("\t%s: %s;\n", name, name)
	}
	w.printf("}\n")
}

// comment writes a doc comment, if there is one.
func (w *tsWriter) comment(indent, doc string) {
	lines := strings.Split(strings.TrimSpace(doc), "\n")
	switch {
	case doc == "":
	case len(lines) == 1:
		w.printf("%s/** %s */\n", indent, lines[0])
	default:
		w.printf("%s/**\n", indent)
		for _, l := range lines {
			w.printf("%s\n", strings.TrimRight(indent+" * "+l, " "))
		}
		w.printf("%s */\n", indent)
	}
}

func docOf(above, beside *ast.CommentGroup) string {
	if above != nil {
		return strings.TrimSpace(above.Text())
	}
	return strings.TrimSpace(beside.Text())
}

func tsName(name string) string { return cmp.Or(typescriptNames[name], name) }

func literal(v constant.Value) string {
	if v.Kind() == constant.String {
		return strconv.Quote(constant.StringVal(v))
	}
	return v.ExactString()
}
