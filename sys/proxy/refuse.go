package proxy

import (
	"errors"
	"math/big"
	"reflect"

	"github.com/dop251/goja"
	"github.com/dop251/goja/ast"
)

const (
	// maxNested is how deep a script's brackets may be: the parser's stack, which can't be bounded, grows with them.
	maxNested = 2000
	// maxDeep is how deep its program may be, in steps from a value to one it holds: ten thousand cases of one
	// "else if" chain take 50,000.
	maxDeep = 100_000
)

var errWords = errors.New("it has what no such script needs")

// refuse says why a script is not to be run at all.
func refuse(text string) error {
	depth := 0
	for i := range len(text) {
		switch text[i] {
		case '(', '[', '{':
			depth++
		case ')', ']', '}':
			depth = max(depth-1, 0)
		}
		if depth > maxNested {
			return errWords
		}
	}
	program, err := goja.Parse("", text)
	if err != nil {
		return err
	}
	return walk(reflect.ValueOf(program.Body))
}

// node is some of a program, and how deep in it.
type node struct {
	reflect.Value
	depth int
}

// walk refuses a program that goes too deep for a compiler whose stack can't be bounded either, and one that names an
// integer without bounds: one shift of it may take all memory.
func walk(body reflect.Value) error {
	for left := []node{{body, 0}}; len(left) > 0; {
		v := left[len(left)-1]
		left = left[:len(left)-1]
		if v.depth > maxDeep {
			return errWords
		}
		add := func(of reflect.Value) { left = append(left, node{of, v.depth + 1}) }
		switch v.Kind() {
		case reflect.Pointer, reflect.Interface:
			if v.IsNil() {
				continue
			}
			if n, ok := v.Interface().(*ast.NumberLiteral); ok {
				if _, ok := n.Value.(*big.Int); ok {
					return errWords
				}
				continue
			}
			add(v.Elem())
		case reflect.Slice:
			for i := range v.Len() {
				add(v.Index(i))
			}
		case reflect.Struct:
			for i := range v.NumField() {
				if v.Type().Field(i).IsExported() {
					add(v.Field(i))
				}
			}
		}
	}
	return nil
}
