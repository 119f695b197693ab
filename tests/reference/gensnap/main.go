// Command gensnap writes large snapshots for the benchmarks and tests, as etcd would lay them out, straight through bbolt.
//
// A running server takes an hour for what this writes in under a minute. The entries are true to etcd: revisions,
// create_revision and version of every key follow from one history, tombstones hold the key alone, leases exist, and a
// compaction has removed what it would have removed. The same flags give the same
// entries; which pages bolt reuses for them may differ.
package main

import (
	"bufio"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"time"

	bolt "go.etcd.io/bbolt"
)

func main() {
	mode := flag.String("mode", "k8s", "k8s: keys of a Kubernetes API server, values of about 1 KB; objects: real objects of Kubernetes, varied; small: many tiny keys; keys: keys written once each")
	size := flag.Int64("size", 0, "k8s, objects: about this many MB of file (default 1500); small: revisions in thousands (default 3000); keys: keys in thousands (default 2000)")
	seed := flag.Uint64("seed", 1, "seed of the pseudo-random choices")
	from := flag.String("templates", "", "objects: a recorded snapshot whose objects are varied")
	out := flag.String("out", "", "the snapshot to write")
	flag.Parse()
	if *out == "" || flag.NArg() != 0 {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(*mode, *size, *seed, *from, *out); err != nil {
		fmt.Fprintln(os.Stderr, "gensnap:", err)
		os.Exit(1)
	}
}

func run(mode string, size int64, seed uint64, from, out string) error {
	started := time.Now()
	scratch := out + ".bolt"
	defer os.Remove(scratch)
	if err := os.RemoveAll(scratch); err != nil {
		return err
	}
	db, err := bolt.Open(scratch, 0o600, &bolt.Options{NoSync: true, NoGrowSync: true, NoFreelistSync: true, FreelistType: bolt.FreelistMapType})
	if err != nil {
		return err
	}
	defer db.Close()
	store, err := newStore(db, seed)
	if err != nil {
		return err
	}
	switch mode {
	case "k8s":
		if size == 0 {
			size = 1500
		}
		err = store.kubernetes(size * 1_000_000)
	case "objects":
		if size == 0 {
			size = 1500
		}
		var made *templates
		if made, err = readTemplates(from); err == nil {
			err = store.objects(made, size*1_000_000)
		}
	case "small":
		if size == 0 {
			size = 3000
		}
		err = store.small(size * 1000)
	case "keys":
		if size == 0 {
			size = 2000
		}
		err = store.once(size * 1000)
	default:
		err = fmt.Errorf("no such mode: %s", mode)
	}
	if err != nil {
		return err
	}
	length, err := save(db, out)
	if err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "gensnap: %s, %d bytes, revision %d, %d live keys, %d entries (%.1f s)\n",
		mode, length, store.revision, len(store.live), store.entries, time.Since(started).Seconds())
	return nil
}

// save writes what a server's snapshot holds: the database as of one transaction, then its SHA-256.
func save(db *bolt.DB, out string) (int64, error) {
	file, err := os.Create(out + ".part")
	if err != nil {
		return 0, err
	}
	defer file.Close()
	buffered := bufio.NewWriterSize(file, 1<<20)
	hash := sha256.New()
	var length int64
	err = db.View(func(tx *bolt.Tx) error {
		length, err = tx.WriteTo(io.MultiWriter(buffered, hash))
		return err
	})
	if err != nil {
		return 0, err
	}
	if _, err = buffered.Write(hash.Sum(nil)); err != nil {
		return 0, err
	}
	if err = buffered.Flush(); err != nil {
		return 0, err
	}
	return length + sha256.Size, os.Rename(out+".part", out)
}
