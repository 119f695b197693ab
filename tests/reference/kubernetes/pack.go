package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The table as bytes; numbers are varints, names are numbers of strings:
//
//	"k8sfacts" 1
//	newest minor: length, bytes
//	strings:  count, then each: length, bytes
//	messages: count, then each: count of fields, then each: number, name, base<<4|shape<<2|omitempty<<1|inline, and a message where base is one
//	kinds:    count, then each: group, version, kind, 1 if cluster-wide, message
func (t *types) table(newest string) ([]byte, error) {
	t.replacements()
	facts, order, err := t.reachable()
	if err != nil {
		return nil, err
	}
	class := classes(facts, order)
	numbers := map[int]int{}
	messages := []string{}
	for _, key := range order {
		if _, ok := numbers[class[key]]; !ok {
			numbers[class[key]] = len(messages)
			messages = append(messages, key)
		}
	}
	kinds := t.sortedKinds()
	names := frequent(facts, messages, kinds)
	index := map[string]int{}
	for i, name := range names {
		index[name] = i
	}
	out := []byte("k8sfacts\x01")
	put := func(number int) { out = binary.AppendUvarint(out, uint64(number)) }
	text := func(text string) {
		put(len(text))
		out = append(out, text...)
	}
	text(newest)
	put(len(names))
	for _, name := range names {
		text(name)
	}
	put(len(messages))
	count := 0
	for _, key := range messages {
		put(len(facts[key]))
		for _, f := range facts[key] {
			count++
			put(f.number)
			put(index[f.name])
			out = append(out, byte(f.base<<4|f.shape<<2|bit(f.omitempty)<<1|bit(f.inline)))
			if f.target != "" {
				put(numbers[class[f.target]])
			}
		}
	}
	put(len(kinds))
	for _, k := range kinds {
		put(index[k.group])
		put(index[k.version])
		put(index[k.name])
		put(bit(t.cluster[k]))
		put(numbers[class[t.kinds[k]]])
	}
	fmt.Fprintf(os.Stderr, "%d kinds, %d messages, %d fields, %d names, %d bytes\n", len(kinds), len(messages), count, len(names), len(out))
	return out, nil
}

func (t *types) sortedKinds() []kind {
	kinds := []kind{}
	for k := range t.kinds {
		kinds = append(kinds, k)
	}
	slices.SortFunc(kinds, func(a, b kind) int {
		return cmp.Or(strings.Compare(a.group, b.group), strings.Compare(a.version, b.version), strings.Compare(a.name, b.name))
	})
	return kinds
}

// Returns the types that objects consist of, in order of discovery.
func (t *types) reachable() (map[string][]fact, []string, error) {
	facts, order := map[string][]fact{}, []string{}
	var visit func(key string) error
	visit = func(key string) error {
		if _, ok := facts[key]; ok {
			return nil
		}
		found, err := t.facts(key)
		if err != nil {
			return err
		}
		facts[key] = found
		order = append(order, key)
		for _, f := range found {
			if f.target != "" {
				if err := visit(f.target); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, k := range t.sortedKinds() {
		if err := visit(t.kinds[k]); err != nil {
			return nil, nil, err
		}
	}
	return facts, order, nil
}

// Gives types with equal fields equal numbers: it distinguishes them by their own fields, then by those of their fields' types, until nothing changes.
func classes(facts map[string][]fact, order []string) map[string]int {
	class := map[string]int{}
	for known := 0; ; {
		seen, next := map[string]int{}, map[string]int{}
		for _, key := range order {
			text := strings.Builder{}
			for _, f := range facts[key] {
				target := -1
				if f.target != "" {
					target = class[f.target]
				}
				fmt.Fprintln(&text, f.number, f.name, f.base, f.shape, f.omitempty, f.inline, target)
			}
			if _, ok := seen[text.String()]; !ok {
				seen[text.String()] = len(seen)
			}
			next[key] = seen[text.String()]
		}
		class = next
		if len(seen) == known {
			return class
		}
		known = len(seen)
	}
}

// Returns the names sorted by frequency, so that frequent ones get the shortest numbers.
func frequent(facts map[string][]fact, messages []string, kinds []kind) []string {
	uses := map[string]int{}
	for _, key := range messages {
		for _, f := range facts[key] {
			uses[f.name]++
		}
	}
	for _, k := range kinds {
		uses[k.group]++
		uses[k.version]++
		uses[k.name]++
	}
	names := []string{}
	for name := range uses {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int { return cmp.Or(uses[b]-uses[a], strings.Compare(a, b)) })
	return names
}

func bit(set bool) int {
	if set {
		return 1
	}
	return 0
}
