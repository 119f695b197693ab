// Answers each line of standard input, {"json": TEXT, "yaml": TEXT}, with a line of the same form: the JSON as YAML by kubectl's library, and the YAML as that library reads it.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"

	"sigs.k8s.io/yaml"
)

type pair struct {
	JSON  string `json:"json"`
	YAML  string `json:"yaml"`
	Error string `json:"error,omitempty"`
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked, answer pair
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		written, err := yaml.JSONToYAML([]byte(asked.JSON))
		answer.YAML = string(written)
		if err != nil {
			answer.Error = err.Error()
		}
		read, err := yaml.YAMLToJSON([]byte(asked.YAML))
		answer.JSON = string(read)
		if err != nil {
			answer.Error += "; " + err.Error()
		}
		if err := out.Encode(answer); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
