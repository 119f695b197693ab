// Generates the table of Kubernetes' types with which etcdsnap decodes objects: for each message its fields in the order of the Go struct, and for each kind
// its message. It only parses the types; it compiles nothing of Kubernetes.
//
//	go run . modules.txt schema.bin
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
)

// A module, and the location of its source.
type module struct{ Path, Version, Dir, Error string }

func main() {
	if len(os.Args) != 3 {
		fail("usage: kubernetes MODULES OUT")
	}
	modules, err := download(os.Args[1])
	if err != nil {
		fail(err)
	}
	types := newTypes()
	newest := ""
	for _, m := range modules {
		if err := types.walk(m); err != nil {
			fail(fmt.Errorf("%s@%s: %w", m.Path, m.Version, err))
		}
		if m.Path == "k8s.io/api" {
			newest = "1." + strings.Split(m.Version, ".")[1]
		}
	}
	table, err := types.table(newest)
	if err != nil {
		fail(err)
	}
	if err := os.WriteFile(os.Args[2], table, 0o666); err != nil {
		fail(err)
	}
}

// Returns the modules of a list, in its order, from the module cache.
func download(list string) ([]module, error) {
	file, err := os.Open(list)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	arguments := []string{"mod", "download", "-json"}
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
			arguments = append(arguments, strings.Replace(line, " ", "@", 1))
		}
	}
	command := exec.Command("go", arguments...)
	command.Stderr = os.Stderr
	out, failed := command.Output()
	found := map[string]module{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var m module
		if err := decoder.Decode(&m); err != nil {
			return nil, err
		}
		if m.Error != "" {
			return nil, fmt.Errorf("%s", m.Error)
		}
		found[m.Path+"@"+m.Version] = m
	}
	if failed != nil {
		return nil, failed
	}
	modules := []module{}
	for _, name := range arguments[3:] {
		m, ok := found[name]
		if !ok {
			return nil, fmt.Errorf("%s was not downloaded", name)
		}
		modules = append(modules, m)
	}
	return modules, nil
}

func fail(err any) {
	fmt.Fprintln(os.Stderr, "error:", err)
	os.Exit(1)
}
