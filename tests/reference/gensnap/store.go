package main

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"math/rand/v2"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
)

// batch is how many writes etcd gathers into one bolt transaction.
const batch = 10_000

var buckets = []string{"alarm", "auth", "authRoles", "authUsers", "cluster", "key", "lease", "members", "members_removed", "meta"}

// entry is what the history knows of a live key.
type entry struct {
	key              string
	created, version int64
	// last is the revision which holds the key now; a compaction removes the ones before.
	last int64
}

// store plays etcd's MVCC store over bolt. One operation makes one revision, so every sub is 0.
type store struct {
	db       *bolt.DB
	tx       *bolt.Tx
	keys     *bolt.Bucket
	pending  int
	random   *rand.Rand
	revision int64
	entries  int64
	live     []entry
	index    map[string]int
	// superseded are the revisions that a compaction may remove, in order, with the revision that made them so.
	superseded []superseded
	value      []byte
	encoded    []byte
}

type superseded struct {
	revision, by int64
	tombstone    bool
}

func newStore(db *bolt.DB, seed uint64) (*store, error) {
	s := &store{db: db, random: rand.New(rand.NewPCG(seed, 7)), revision: 1, index: map[string]int{}}
	err := db.Update(func(tx *bolt.Tx) error {
		for _, name := range buckets {
			if _, err := tx.CreateBucket([]byte(name)); err != nil {
				return err
			}
		}
		return s.describeCluster(tx)
	})
	if err != nil {
		return nil, err
	}
	return s, s.begin()
}

func (s *store) describeCluster(tx *bolt.Tx) error {
	meta, members := tx.Bucket([]byte("meta")), tx.Bucket([]byte("members"))
	ids := []uint64{0x1a2b3c4d5e6f7081, 0x2b3c4d5e6f708192, 0xa8266ecf031671f3}
	conf, err := json.Marshal(map[string]any{"voters": ids, "auto_leave": false})
	if err != nil {
		return err
	}
	puts := []error{
		meta.Put([]byte("confState"), conf),
		meta.Put([]byte("storageVersion"), []byte("3.7.0")),
		meta.Put([]byte("term"), binary.BigEndian.AppendUint64(nil, 2)),
		tx.Bucket([]byte("cluster")).Put([]byte("clusterVersion"), []byte("3.7.0")),
		tx.Bucket([]byte("auth")).Put([]byte("authRevision"), binary.BigEndian.AppendUint64(nil, 1)),
	}
	for i, id := range ids {
		member, err := json.Marshal(map[string]any{
			"id": id, "name": fmt.Sprintf("member-%d", i+1),
			"peerURLs":   []string{fmt.Sprintf("http://10.0.0.%d:2380", i+1)},
			"clientURLs": []string{fmt.Sprintf("http://10.0.0.%d:2379", i+1)},
		})
		puts = append(puts, err, members.Put(fmt.Appendf(nil, "%x", id), member))
	}
	for _, err := range puts {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *store) begin() (err error) {
	if s.tx, err = s.db.Begin(true); err != nil {
		return err
	}
	s.keys = s.tx.Bucket([]byte("key"))
	s.keys.FillPercent = 0.9
	s.pending = 0
	return nil
}

func (s *store) commit() error {
	index := binary.BigEndian.AppendUint64(nil, uint64(s.revision+10))
	if err := s.tx.Bucket([]byte("meta")).Put([]byte("consistent_index"), index); err != nil {
		return err
	}
	return s.tx.Commit()
}

// wrote counts one write, and commits when a batch is full.
func (s *store) wrote() error {
	if s.pending++; s.pending < batch {
		return nil
	}
	if err := s.commit(); err != nil {
		return err
	}
	return s.begin()
}

func revisionKey(main int64, tombstone bool) []byte {
	key := binary.BigEndian.AppendUint64(make([]byte, 0, 18), uint64(main))
	key = append(key, '_', 0, 0, 0, 0, 0, 0, 0, 0)
	if tombstone {
		key = append(key, 't')
	}
	return key
}

// put writes the next revision of a key.
func (s *store) put(key string, value []byte, lease int64) error {
	s.revision++
	at, found := s.index[key]
	if !found {
		at = len(s.live)
		s.live = append(s.live, entry{key: key, created: s.revision})
		s.index[key] = at
	} else {
		s.superseded = append(s.superseded, superseded{revision: s.live[at].last, by: s.revision})
	}
	e := &s.live[at]
	e.version++
	e.last = s.revision
	kv := mvccpb.KeyValue{Key: []byte(key), CreateRevision: e.created, ModRevision: s.revision, Version: e.version, Value: value, Lease: lease}
	// bolt keeps the slice until the commit, so each value needs its own.
	encoded, err := kv.Marshal()
	if err != nil {
		return err
	}
	s.entries++
	if err := s.keys.Put(revisionKey(s.revision, false), encoded); err != nil {
		return err
	}
	return s.wrote()
}

// deleteAt removes a live key: its tombstone is a revision too.
func (s *store) deleteAt(at int) error {
	s.revision++
	gone := s.live[at]
	last := len(s.live) - 1
	s.live[at] = s.live[last]
	s.index[s.live[at].key] = at
	s.live = s.live[:last]
	delete(s.index, gone.key)
	s.superseded = append(s.superseded,
		superseded{revision: gone.last, by: s.revision},
		superseded{revision: s.revision, by: s.revision + 1, tombstone: true})
	encoded, err := (&mvccpb.KeyValue{Key: []byte(gone.key)}).Marshal()
	if err != nil {
		return err
	}
	s.entries++
	if err := s.keys.Put(revisionKey(s.revision, true), encoded); err != nil {
		return err
	}
	return s.wrote()
}

// compact removes every revision which is not the newest of its key at `revision`, and tombstones before it.
func (s *store) compact(revision int64) error {
	kept := s.superseded[:0]
	for _, old := range s.superseded {
		if old.by > revision {
			kept = append(kept, old)
			continue
		}
		if err := s.keys.Delete(revisionKey(old.revision, old.tombstone)); err != nil {
			return err
		}
		s.entries--
		if err := s.wrote(); err != nil {
			return err
		}
	}
	s.superseded = kept
	meta := s.tx.Bucket([]byte("meta"))
	for _, name := range []string{"scheduledCompactRev", "finishedCompactRev"} {
		if err := meta.Put([]byte(name), revisionKey(revision, false)); err != nil {
			return err
		}
	}
	return nil
}

// lease writes an etcd lease.
func (s *store) lease(id, ttl int64) error {
	value := binary.AppendUvarint([]byte{1 << 3}, uint64(id))
	value = binary.AppendUvarint(append(value, 2<<3), uint64(ttl))
	return s.tx.Bucket([]byte("lease")).Put(binary.BigEndian.AppendUint64(nil, uint64(id)), value)
}
