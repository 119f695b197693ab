package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// eventState is a keyState with the type of event; a deletion has only the key and the revision.
type eventState struct {
	Type string `json:"type"`
	keyState
}

// replay records the whole history that a server still serves: the state at the revision of its last compaction, and every event
// after it. `etcdctl watch "" --prefix --rev N` prints the same events.
func replay(ctx context.Context, client *clientv3.Client, out string) error {
	now, err := client.Get(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	current := now.Header.Revision
	// Revision 1 is that of an empty store: a server that refuses a watch from there names its compacted revision.
	events, compacted, err := watched(ctx, client, 1, current)
	if err == nil && compacted > 0 {
		var again int64
		if events, again, err = watched(ctx, client, compacted+1, current); err == nil && again != 0 {
			err = fmt.Errorf("compacted at %d, then at %d", compacted, again)
		}
	}
	if err != nil {
		return err
	}
	kept := &clientv3.GetResponse{}
	if compacted > 0 {
		if kept, err = client.Get(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithRev(compacted)); err != nil {
			return err
		}
	}
	keptLines, err := lines(kept.Kvs, stateOf)
	if err != nil {
		return err
	}
	eventLines, err := lines(events, func(event *clientv3.Event) eventState {
		return eventState{event.Type.String(), stateOf(event.Kv)}
	})
	if err != nil {
		return err
	}
	text := fmt.Sprintf("{\"compacted\":%d,\"revision\":%d,\"kept\":[%s],\n\"events\":[%s]}\n", compacted, current, keptLines, eventLines)
	return os.WriteFile(filepath.Join(out, "watch.json"), []byte(text), 0o644)
}

// watched returns all events from one revision to another, both included, or the compacted revision that prevents it.
func watched(ctx context.Context, client *clientv3.Client, from, to int64) (events []*clientv3.Event, compacted int64, err error) {
	if from > to || to == 1 {
		return nil, 0, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	last := int64(0)
	// Every revision has an event, and a server sends all events of a revision together, so the last one ends the list.
	for response := range client.Watch(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithRev(from)) {
		if response.CompactRevision != 0 {
			return nil, response.CompactRevision, nil
		}
		if err := response.Err(); err != nil {
			return nil, 0, err
		}
		for _, event := range response.Events {
			events = append(events, event)
			last = event.Kv.ModRevision
		}
		if last >= to {
			return events, 0, nil
		}
	}
	return nil, 0, fmt.Errorf("the watch ended at revision %d of %d", last, to)
}
