package main

import (
	"fmt"
	"go/ast"
	"maps"
	"os"
	"slices"
)

// The type of a field; core/src/kubernetes/schema.rs has the same numbers.
const (
	baseString = iota
	baseBytes
	baseBool
	baseInt
	baseUint
	baseDouble
	baseMessage
	baseTime
	baseMicroTime
	baseDuration
	baseQuantity
	baseIntOrString
	baseRawJSON
	// A named slice, which is a message with a list as its only field.
	baseWrapped
)

// How many values a field has.
const (
	shapeOne = iota
	shapePointer
	shapeList
	shapeMap
)

// A field with its type resolved; target is the type's key if base is a message.
type fact struct {
	number            int
	name              string
	base, shape       int
	target            string
	omitempty, inline bool
}

var builtin = map[string]int{
	"string": baseString, "bool": baseBool, "float64": baseDouble,
	"int": baseInt, "int32": baseInt, "int64": baseInt, "int16": baseInt,
	"uint8": baseUint, "uint16": baseUint, "uint32": baseUint, "uint64": baseUint,
}

// Types with their own JSON encoding.
var special = map[string]int{
	"k8s.io/apimachinery/pkg/apis/meta/v1.Time":       baseTime,
	"k8s.io/apimachinery/pkg/apis/meta/v1.MicroTime":  baseMicroTime,
	"k8s.io/apimachinery/pkg/apis/meta/v1.Duration":   baseDuration,
	"k8s.io/apimachinery/pkg/apis/meta/v1.FieldsV1":   baseRawJSON,
	"k8s.io/apimachinery/pkg/runtime.RawExtension":    baseRawJSON,
	"k8s.io/apimachinery/pkg/util/intstr.IntOrString": baseIntOrString,
	"k8s.io/apimachinery/pkg/api/resource.Quantity":   baseQuantity,
	"time.Duration": baseInt,
}

// Returns the fields of a type, of all its versions.
func (t *types) facts(key string) ([]fact, error) {
	versions := t.defined[key]
	if len(versions) == 0 {
		return nil, fmt.Errorf("%s is not defined", key)
	}
	var merged []field
	for i := len(versions) - 1; i >= 0; i-- {
		merged = superset(merged, versions[i].fields)
	}
	facts := []fact{}
	for _, f := range merged {
		resolved, err := t.resolve(f)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", key, f.name, err)
		}
		facts = append(facts, resolved)
	}
	return facts, nil
}

// Adds the fields of a type that an older version used in its place: for some minor versions a PersistentVolumeClaim had a container's ResourceRequirements.
func (t *types) replacements() {
	older := map[string][]string{}
	for _, versions := range t.defined {
		newest := map[int]string{}
		for i := len(versions) - 1; i >= 0; i-- {
			for _, f := range versions[i].fields {
				resolved, err := t.resolve(f)
				if err != nil || resolved.base != baseMessage {
					continue
				}
				if now, ok := newest[f.number]; !ok {
					newest[f.number] = resolved.target
				} else if now != resolved.target && !slices.Contains(older[now], resolved.target) {
					older[now] = append(older[now], resolved.target)
				}
			}
		}
	}
	for _, now := range slices.Sorted(maps.Keys(older)) {
		slices.Sort(older[now])
		for _, before := range older[now] {
			fmt.Fprintf(os.Stderr, "%s has the fields of %s, too\n", now, before)
			t.defined[now] = append(slices.Clone(t.defined[before]), t.defined[now]...)
		}
	}
}

// Adds the fields that only the older version has, each after its predecessor there.
func superset(newer, older []field) []field {
	if newer == nil {
		return slices.Clone(older)
	}
	at := 0
	for _, f := range older {
		there := slices.IndexFunc(newer, func(other field) bool { return other.number == f.number })
		if there < 0 {
			newer = slices.Insert(newer, at, f)
			there = at
		}
		at = there + 1
	}
	return newer
}

func (t *types) resolve(f field) (fact, error) {
	out := fact{number: f.number, name: f.name, inline: f.inline, omitempty: f.omitempty}
	expr := f.expr
	from := f.file
	if under, file, ok := t.namedMap(expr, from); ok {
		expr, from = under, file
	}
	switch outer := expr.(type) {
	case *ast.StarExpr:
		out.shape, expr = shapePointer, outer.X
	case *ast.ArrayType:
		if exprName(outer.Elt) != "byte" {
			out.shape, expr = shapeList, outer.Elt
		}
	case *ast.MapType:
		if key, _, err := t.element(outer.Key, from, 0); err != nil || key != baseString {
			return out, fmt.Errorf("a map with keys that are no strings")
		}
		out.shape, expr = shapeMap, outer.Value
	}
	base, target, err := t.element(expr, from, 0)
	if err != nil {
		return out, err
	}
	out.base, out.target = base, target
	if base == baseWrapped && out.shape == shapeOne {
		out.shape = shapePointer
	}
	// Only omitzero omits an empty struct, so omitempty can stand for it.
	if out.shape == shapeOne && base >= baseMessage {
		out.omitempty = f.omitzero
	}
	return out, nil
}

// Returns the map behind a named type.
func (t *types) namedMap(expr ast.Expr, file *source) (ast.Expr, *source, bool) {
	versions := t.defined[file.key(expr)]
	if len(versions) == 0 {
		return nil, nil, false
	}
	newest := versions[len(versions)-1]
	_, ok := newest.under.(*ast.MapType)
	return newest.under, newest.file, ok
}

// Returns the name of a type with its package.
func (s *source) key(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.Ident:
		return s.pkg + "." + expr.Name
	case *ast.SelectorExpr:
		return s.imports[exprName(expr.X)] + "." + expr.Sel.Name
	}
	return ""
}

// Returns the type of an expression for a single value.
func (t *types) element(expr ast.Expr, file *source, depth int) (int, string, error) {
	if depth > 10 {
		return 0, "", fmt.Errorf("a type that stands for itself")
	}
	switch expr := expr.(type) {
	case *ast.ArrayType:
		if exprName(expr.Elt) == "byte" {
			return baseBytes, "", nil
		}
		return 0, "", fmt.Errorf("a list in a list")
	case *ast.Ident:
		if base, ok := builtin[expr.Name]; ok {
			return base, "", nil
		}
	case *ast.SelectorExpr:
	default:
		return 0, "", fmt.Errorf("an unexpected type %T", expr)
	}
	key := file.key(expr)
	if base, ok := special[key]; ok {
		return base, "", nil
	}
	versions := t.defined[key]
	if len(versions) == 0 {
		return 0, "", fmt.Errorf("%s is not defined", key)
	}
	newest := versions[len(versions)-1]
	if newest.under == nil {
		return baseMessage, key, nil
	}
	if list, ok := newest.under.(*ast.ArrayType); ok && exprName(list.Elt) != "byte" {
		// Encodes it as a struct with a single field, as protobuf does.
		wrapped := definition{file: newest.file, fields: []field{{number: 1, name: "items", expr: list, file: newest.file}}}
		t.defined[key+"#items"] = []definition{wrapped}
		return baseWrapped, key + "#items", nil
	}
	return t.element(newest.under, newest.file, depth+1)
}
