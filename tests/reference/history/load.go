package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// load writes at full speed from several goroutines, compacts, revokes leases and defragments, and takes this many snapshots meanwhile.
func load(ctx context.Context, client *clientv3.Client, endpoint, out string, seed uint64, snapshots int) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	loads := []func(context.Context, *clientv3.Client, *rand.Rand) error{
		loadPuts, loadPuts, loadTransactions, loadDeletions, loadLeases, loadCompactions,
	}
	var writers sync.WaitGroup
	failures := make(chan error, len(loads))
	for side, step := range loads {
		writers.Add(1)
		go func() {
			defer writers.Done()
			random := rand.New(rand.NewPCG(seed, uint64(side)))
			for ctx.Err() == nil {
				if err := step(ctx, client, random); err != nil && ctx.Err() == nil {
					failures <- err
					return
				}
			}
		}()
	}
	err := takeSnapshots(ctx, client, endpoint, out, rand.New(rand.NewPCG(seed, 99)), snapshots, failures)
	cancel()
	writers.Wait()
	return err
}

func takeSnapshots(ctx context.Context, client *clientv3.Client, endpoint, out string, random *rand.Rand, snapshots int, failures <-chan error) error {
	for number := range snapshots {
		select {
		case err := <-failures:
			return err
		case <-time.After(time.Duration(random.IntN(250)) * time.Millisecond):
		}
		if number > 0 && random.IntN(12) == 0 {
			if _, err := client.Defragment(ctx, endpoint); err != nil {
				return err
			}
		}
		stream, err := client.Snapshot(ctx)
		if err != nil {
			return err
		}
		file, err := os.Create(filepath.Join(out, fmt.Sprintf("%03d.db", number)))
		if err != nil {
			return err
		}
		_, err = io.Copy(file, stream)
		if err = errors.Join(err, stream.Close(), file.Close()); err != nil {
			return err
		}
	}
	return nil
}

func someKey(random *rand.Rand) string { return key("load/%03d", random.IntN(400)) }

func someText(random *rand.Rand) string {
	length := random.IntN(200)
	if random.IntN(50) == 0 {
		length = random.IntN(20_000)
	}
	text := make([]byte, length)
	for i := range text {
		text[i] = byte('a' + random.IntN(26))
	}
	return string(text)
}

func loadPuts(ctx context.Context, client *clientv3.Client, random *rand.Rand) error {
	_, err := client.Put(ctx, someKey(random), someText(random))
	return err
}

// loadTransactions writes several keys at once, fails on purpose, and writes nothing at all.
func loadTransactions(ctx context.Context, client *clientv3.Client, random *rand.Rand) error {
	var operations []clientv3.Op
	first := random.IntN(400)
	for i := range random.IntN(7) {
		name := key("load/%03d", (first+i)%400)
		if random.IntN(4) == 0 {
			operations = append(operations, clientv3.OpDelete(name))
		} else {
			operations = append(operations, clientv3.OpPut(name, someText(random)))
		}
	}
	never := clientv3.Compare(clientv3.Version("load/never"), ">", 0)
	txn := client.Txn(ctx)
	if random.IntN(3) == 0 {
		txn = txn.If(never)
	}
	_, err := txn.Then(operations...).Commit()
	return err
}

func loadDeletions(ctx context.Context, client *clientv3.Client, random *rand.Rand) error {
	name := someKey(random)
	var options []clientv3.OpOption
	switch random.IntN(10) {
	case 0:
		options = append(options, clientv3.WithRange(key("load/%03d", 400)), clientv3.WithPrevKV())
		name = key("load/%03d", 390)
	case 1:
		name = "load/never"
	}
	deleted, err := client.Delete(ctx, name, options...)
	if err == nil && random.IntN(20) == 0 {
		err = compact(ctx, client, deleted.Header.Revision, random)
	}
	time.Sleep(time.Duration(random.IntN(5)) * time.Millisecond)
	return err
}

func loadLeases(ctx context.Context, client *clientv3.Client, random *rand.Rand) error {
	lease, err := client.Grant(ctx, 1+random.Int64N(3))
	if err != nil {
		return err
	}
	for range random.IntN(6) {
		if _, err := client.Put(ctx, someKey(random), "leased", clientv3.WithLease(lease.ID)); err != nil {
			return unlessExpired(err)
		}
	}
	time.Sleep(time.Duration(random.IntN(30)) * time.Millisecond)
	if random.IntN(3) == 0 {
		return nil // It expires by itself.
	}
	_, err = client.Revoke(ctx, lease.ID)
	return unlessExpired(err)
}

// unlessExpired ignores that a lease ended before it was used: test machines may be slow.
func unlessExpired(err error) error {
	if errors.Is(err, rpctypes.ErrLeaseNotFound) {
		return nil
	}
	return err
}

func loadCompactions(ctx context.Context, client *clientv3.Client, random *rand.Rand) error {
	time.Sleep(time.Duration(random.IntN(400)) * time.Millisecond)
	now, err := client.Get(ctx, "load/never")
	if err != nil {
		return err
	}
	return compact(ctx, client, now.Header.Revision-random.Int64N(40), random)
}

// compact ignores a revision that another writer has compacted already.
func compact(ctx context.Context, client *clientv3.Client, revision int64, random *rand.Rand) error {
	var options []clientv3.CompactOption
	if random.IntN(2) == 0 {
		options = append(options, clientv3.WithCompactPhysical())
	}
	_, err := client.Compact(ctx, max(revision, 1), options...)
	if err != nil && ctx.Err() == nil && errors.Is(err, rpctypes.ErrCompacted) {
		return nil
	}
	return err
}
