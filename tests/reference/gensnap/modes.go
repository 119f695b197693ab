package main

import "fmt"

// Percentages of updates and deletions in the k8s mode; the other operations create.
const (
	updates = 40
	deletes = 10
)

// kubernetes writes for a file of about `target` bytes. A compaction in the middle leaves free pages behind.
func (s *store) kubernetes(target int64) error {
	const valueSize = 1_000
	kinds := []string{"pods", "pods", "pods", "events", "configmaps", "secrets", "deployments", "replicasets", "endpointslices", "leases"}
	for i := range int64(500) {
		if err := s.lease(0x7000_0000_0000_0000+i, 3_600); err != nil {
			return err
		}
	}
	// Found by experiment: values, keys and page headers, minus the space that the compaction in the middle frees.
	operations := target / 1_000
	for i := range operations {
		choice := s.random.IntN(100)
		var err error
		switch {
		case choice < updates && len(s.live) > 0:
			err = s.put(s.live[s.random.IntN(len(s.live))].key, s.text(valueSize/2+s.random.IntN(valueSize)), 0)
		case choice < updates+deletes && len(s.live) > 0:
			err = s.deleteAt(s.random.IntN(len(s.live)))
		default:
			kind := kinds[s.random.IntN(len(kinds))]
			key := fmt.Sprintf("/registry/%s/namespace-%02d/object-%08x", kind, s.random.IntN(60), s.random.Uint32())
			lease := int64(0)
			if kind == "events" {
				lease = 0x7000_0000_0000_0000 + int64(s.random.IntN(500))
			}
			err = s.put(key, s.text(valueSize/2+s.random.IntN(valueSize)), lease)
		}
		if err != nil {
			return err
		}
		if err := s.compactMidway(i, operations); err != nil {
			return err
		}
	}
	return s.end(operations)
}

// compactMidway compacts once, after six tenths of the operations.
func (s *store) compactMidway(done, operations int64) error {
	if done != operations*6/10 {
		return nil
	}
	return s.compact(s.revision - operations/20)
}

// end compacts for the last time: the freed pages stay in the file.
func (s *store) end(operations int64) error {
	if err := s.compact(s.revision - operations*3/10); err != nil {
		return err
	}
	return s.commit()
}

// small writes `count` tiny revisions over a third as many keys.
func (s *store) small(count int64) error {
	for range count {
		key := fmt.Sprintf("/small/%07d", s.random.Int64N(count/3))
		if err := s.put(key, s.text(40+s.random.IntN(240)), 0); err != nil {
			return err
		}
	}
	if err := s.compact(1_000); err != nil {
		return err
	}
	return s.commit()
}

// once writes `count` keys once each, in folders of five hundred, with values of a few bytes.
func (s *store) once(count int64) error {
	for i := range count {
		key := fmt.Sprintf("/keys/folder-%05d/object-%07d", i/500, i)
		if err := s.put(key, s.text(8), 0); err != nil {
			return err
		}
	}
	return s.commit()
}

// text is pseudo-random and half compressible; each call has a slice of its own.
func (s *store) text(length int) []byte {
	const digits = "0123456789abcdef"
	out := make([]byte, (length+15)/16*16)
	for i := 0; i < len(out); i += 16 {
		for bits, j := s.random.Uint64(), 0; j < 16; j++ {
			out[i+j] = digits[bits&15]
			bits >>= 4
		}
	}
	return out[:length]
}
