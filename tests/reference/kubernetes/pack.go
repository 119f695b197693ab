package main

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strings"
)

// The table as bytes; numbers are varints. What is alike stands together, in columns, which compress better than rows:
//
//	"k8sfacts" 2
//	newest minor:    length, bytes
//	columns, each:   length, bytes
//	  names          each ended by a zero byte
//	  of each kind   group, version, name: references to names; 1 if cluster-wide; a reference to a message
//	  of messages    how many fields each has
//	  of each field  its number, less the one before it in the message (zigzag); a reference to a name; base<<4|shape<<2|omitempty<<1|inline
//	  of fields with a message  a reference to it
//
// A reference is 0 for the first one that was not referred to yet, and one more than the number of any other. So names and messages are numbered in the order in which they are met: kinds
// first, then the fields of messages, message after message.
func (t *types) table(newest string) ([]byte, error) {
	t.replacements()
	facts, order, err := t.reachable()
	if err != nil {
		return nil, err
	}
	class := classes(facts, order)
	// Of equal messages the first one stands for all.
	byClass := map[int]string{}
	for _, key := range order {
		if _, ok := byClass[class[key]]; !ok {
			byClass[class[key]] = key
		}
	}
	const columns = 11
	const names, group, version, name, wide, message, counts, numbers, fields, types, targets = 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
	var out [columns][]byte
	put := func(column int, number int) { out[column] = binary.AppendUvarint(out[column], uint64(number)) }
	nameNumbers := map[string]int{}
	putName := func(column int, text string) {
		number, ok := nameNumbers[text]
		if ok {
			put(column, number+1)
			return
		}
		nameNumbers[text] = len(nameNumbers)
		put(column, 0)
		out[names] = append(append(out[names], text...), 0)
	}
	messages, messageNumbers := []string{}, map[int]int{}
	putMessage := func(column int, key string) {
		number, ok := messageNumbers[class[key]]
		if ok {
			put(column, number+1)
			return
		}
		messageNumbers[class[key]] = len(messages)
		messages = append(messages, byClass[class[key]])
		put(column, 0)
	}
	kinds := t.sortedKinds()
	for _, k := range kinds {
		putName(group, k.group)
		putName(version, k.version)
		putName(name, k.name)
		put(wide, bit(t.cluster[k]))
		putMessage(message, t.kinds[k])
	}
	count := 0
	// The list grows while it is gone through.
	for at := 0; at < len(messages); at++ {
		found := facts[messages[at]]
		put(counts, len(found))
		before := 0
		for _, f := range found {
			count++
			out[numbers] = binary.AppendVarint(out[numbers], int64(f.number-before))
			before = f.number
			putName(fields, f.name)
			out[types] = append(out[types], byte(f.base<<4|f.shape<<2|bit(f.omitempty)<<1|bit(f.inline)))
			if f.target != "" {
				putMessage(targets, f.target)
			}
		}
	}
	table := append([]byte("k8sfacts\x02"), binary.AppendUvarint(nil, uint64(len(newest)))...)
	table = append(table, newest...)
	for _, column := range out {
		table = append(binary.AppendUvarint(table, uint64(len(column))), column...)
	}
	fmt.Fprintf(os.Stderr, "%d kinds, %d messages, %d fields, %d names, %d bytes\n", len(kinds), len(messages), count, len(nameNumbers), len(table))
	return table, nil
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

func bit(set bool) int {
	if set {
		return 1
	}
	return 0
}
