// Answers each line of standard input, {"template": TEXT, "json": TEXT}, with the output of kubectl's library for the object and the template: {"text": TEXT, "list": TEXT, "error": TEXT}.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"k8s.io/client-go/util/jsonpath"
)

type question struct {
	Template string `json:"template"`
	JSON     string `json:"json"`
}

type answer struct {
	Text  string `json:"text"`
	List  string `json:"list"`
	Error string `json:"error,omitempty"`
}

// Keeps integers as integers, as in kubectl's own objects.
func numbers(value any) any {
	switch value := value.(type) {
	case map[string]any:
		for key, member := range value {
			value[key] = numbers(member)
		}
	case []any:
		for at, item := range value {
			value[at] = numbers(item)
		}
	case json.Number:
		if integer, err := value.Int64(); err == nil {
			return integer
		}
		float, _ := value.Float64()
		return float
	}
	return value
}

func fill(asked question, asList bool) (string, error) {
	var object any
	decoder := json.NewDecoder(strings.NewReader(asked.JSON))
	decoder.UseNumber()
	if err := decoder.Decode(&object); err != nil {
		return "", err
	}
	object = numbers(object)
	path := jsonpath.New("asked").AllowMissingKeys(true)
	path.EnableJSONOutput(asList)
	if err := path.Parse(asked.Template); err != nil {
		return "", err
	}
	var out bytes.Buffer
	err := path.Execute(&out, object)
	return out.String(), err
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 64<<20)
	out := json.NewEncoder(os.Stdout)
	for lines.Scan() {
		var asked question
		if err := json.Unmarshal(lines.Bytes(), &asked); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		var said answer
		var err error
		if said.Text, err = fill(asked, false); err != nil {
			said.Error = err.Error()
		}
		said.List, _ = fill(asked, true)
		if err := out.Encode(said); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
}
