package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
)

// A field as written in a Go struct.
type field struct {
	number    int
	name      string
	expr      ast.Expr
	file      *source
	inline    bool
	omitempty bool
	omitzero  bool
}

// A named type: the fields of a struct, or the type behind it.
type definition struct {
	fields []field
	isKind bool
	under  ast.Expr
	file   *source
}

// The meaning of the names in a file.
type source struct {
	pkg     string
	imports map[string]string
}

// A kind of object that can be stored.
type kind struct{ group, version, name string }

// The types of all modules, by package and name; for each the definitions from the oldest to the newest.
type types struct {
	defined map[string][]definition
	kinds   map[kind]string
	cluster map[kind]bool
}

func newTypes() *types {
	// A kind that is never stored as protobuf has no fields there.
	json := []definition{{fields: []field{}}}
	return &types{map[string][]definition{"json": json}, map[kind]string{}, map[kind]bool{}}
}

// Objects that clients create and read without a generated client.
var withoutClient = map[string]bool{"RangeAllocation": true}

// Objects with a client that are computed, never stored.
var neverStored = map[string]bool{"ComponentStatus": true}

// The API server of custom resources writes their definitions as JSON, whatever --storage-media-type says.
var storedAsJSON = map[string]bool{"apiextensions.k8s.io": true}

func (t *types) walk(m module) error {
	return filepath.WalkDir(m.Dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		switch entry.Name() {
		case "vendor", "testdata", "test", "examples", "hack", "third_party", "tests":
			return filepath.SkipDir
		}
		relative, err := filepath.Rel(m.Dir, path)
		if err != nil {
			return err
		}
		return t.walkPackage(path, strings.TrimSuffix(m.Path+"/"+filepath.ToSlash(relative), "/."))
	})
}

func (t *types) walkPackage(directory, pkg string) error {
	names, err := filepath.Glob(filepath.Join(directory, "*.go"))
	if err != nil {
		return err
	}
	group, kinds := "", []string{}
	clusterWide := map[string]bool{}
	for _, name := range names {
		base := filepath.Base(name)
		if strings.HasSuffix(base, "_test.go") || strings.HasPrefix(base, "zz_generated") || strings.HasPrefix(base, "generated.") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		t.walkFile(file, pkg, &group, &kinds, clusterWide)
	}
	// Types without generated protobuf code are only stored as JSON, which needs no table.
	_, missing := os.Stat(filepath.Join(directory, "generated.pb.go"))
	for _, name := range kinds {
		k := kind{group, filepath.Base(directory), name}
		if missing == nil {
			t.kinds[k] = pkg + "." + name
			if storedAsJSON[group] {
				t.kinds[k] = "json"
			}
			t.cluster[k] = clusterWide[name]
		}
	}
	return nil
}

func (t *types) walkFile(file *ast.File, pkg string, group *string, kinds *[]string, clusterWide map[string]bool) {
	from := &source{pkg, map[string]string{}}
	for _, spec := range file.Imports {
		path, _ := strconv.Unquote(spec.Path.Value)
		name := filepath.Base(path)
		if spec.Name != nil {
			name = spec.Name.Name
		}
		from.imports[name] = path
	}
	end := token.Pos(0)
	for _, declaration := range file.Decls {
		general, ok := declaration.(*ast.GenDecl)
		if !ok {
			end = declaration.End()
			continue
		}
		marks := comments(file, end, general.Pos())
		end = general.End()
		for _, spec := range general.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for i, name := range spec.Names {
					if literal, ok := valueOf(spec, i); ok && name.Name == "GroupName" {
						*group = literal
					}
				}
			case *ast.TypeSpec:
				d := define(spec, from)
				key := pkg + "." + spec.Name.Name
				t.defined[key] = append(t.defined[key], d)
				if d.isKind && storable(spec.Name.Name, marks) {
					*kinds = append(*kinds, spec.Name.Name)
					clusterWide[spec.Name.Name] = marks["+genclient:nonNamespaced"]
				}
			}
		}
	}
}

// Returns whether the API server stores objects of a type, according to the client generator's markers above it.
func storable(name string, marks map[string]bool) bool {
	if neverStored[name] || marks["+genclient:noVerbs"] || marks["+genclient:onlyVerbs=create"] {
		return false
	}
	return marks["+genclient"] || marks["+genclient=true"] || withoutClient[name]
}

func valueOf(spec *ast.ValueSpec, i int) (string, bool) {
	if i >= len(spec.Values) {
		return "", false
	}
	literal, ok := spec.Values[i].(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return "", false
	}
	text, err := strconv.Unquote(literal.Value)
	return text, err == nil
}

// Returns the comment lines between two declarations that begin with a plus.
func comments(file *ast.File, from, to token.Pos) map[string]bool {
	marks := map[string]bool{}
	for _, group := range file.Comments {
		if group.Pos() < from || group.End() > to {
			continue
		}
		for _, line := range group.List {
			text := strings.TrimSpace(strings.TrimPrefix(line.Text, "//"))
			if strings.HasPrefix(text, "+") {
				marks[text] = true
			}
		}
	}
	return marks
}

func define(spec *ast.TypeSpec, from *source) definition {
	structure, ok := spec.Type.(*ast.StructType)
	if !ok {
		return definition{under: spec.Type, file: from}
	}
	d := definition{file: from}
	hasType, hasMeta := false, false
	for _, line := range structure.Fields.List {
		name := exprName(line.Type)
		goName := name[strings.LastIndex(name, ".")+1:]
		if len(line.Names) > 0 {
			goName = line.Names[0].Name
		}
		tag := ""
		if line.Tag != nil {
			tag, _ = strconv.Unquote(line.Tag.Value)
		}
		options := strings.Split(reflect.StructTag(tag).Get("json"), ",")
		hasType = hasType || (goName == "TypeMeta" && len(line.Names) == 0)
		hasMeta = hasMeta || (goName == "ObjectMeta" && len(line.Names) == 0)
		parts := strings.Split(reflect.StructTag(tag).Get("protobuf"), ",")
		if len(parts) < 2 || options[0] == "-" {
			continue
		}
		number, err := strconv.Atoi(parts[1])
		if err != nil {
			continue
		}
		f := field{number: number, name: options[0], expr: line.Type, file: from}
		for _, option := range options[1:] {
			f.inline = f.inline || option == "inline"
			f.omitempty = f.omitempty || option == "omitempty"
			f.omitzero = f.omitzero || option == "omitzero"
		}
		// An embedded struct without a name is inline whether its tag says so or not.
		f.inline = f.name == "" && (f.inline || len(line.Names) == 0)
		if f.name == "" && !f.inline {
			f.name = goName
		}
		d.fields = append(d.fields, f)
	}
	d.isKind = hasType && hasMeta
	return d
}

func exprName(expr ast.Expr) string {
	switch expr := expr.(type) {
	case *ast.Ident:
		return expr.Name
	case *ast.SelectorExpr:
		return exprName(expr.X) + "." + expr.Sel.Name
	case *ast.StarExpr:
		return exprName(expr.X)
	}
	return ""
}
