// Command history writes known histories into a running etcd and dumps what the server says about itself.
//
// One client, pinned to one etcd version, talks to servers of all versions: the gRPC API has been stable since 3.3.
// `cargo xtask record` starts the servers, calls this program and saves the snapshots.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const usage = `usage: history [flags] COMMAND

commands:
  tiny           one key
  rich           overwrites, deletes, re-creations, transactions, leases, binary keys, a compaction in the middle
  kubernetes     keys as a Kubernetes API server writes them, with a compaction
  large          one value of 300 KB, twice
  more           a few writes on top of what is there
  compaction     2,000 revisions, then a compaction which nobody waits for
  auth-enable    users, roles, then authentication on
  auth-disable   authentication off (the users stay)
  member-churn   adds a member and removes it
  member-learner adds a learner and leaves it
  alarm          raises NOSPACE on the member which answers
  load           writes from several sides at once, compacts, and takes --snapshots snapshots meanwhile into --out
  dump           writes keys.json, members.json, leases.json, auth.json, alarms.json, hashkv.json into --out
  replay         writes watch.json into --out: what a watch replays of all that is not compacted
`

func main() {
	endpoint := flag.String("endpoint", "", "client URL of the member to talk to")
	user := flag.String("user", "", "name:password")
	seed := flag.Uint64("seed", 1, "seed of the pseudo-random choices")
	out := flag.String("out", "", "directory for dump and replay")
	revisions := flag.String("revisions", "", "revisions to dump besides the latest, separated by commas")
	snapshots := flag.Int("snapshots", 1, "how many snapshots load takes")
	flag.Usage = func() { fmt.Fprint(os.Stderr, usage); flag.PrintDefaults() }
	flag.Parse()
	if flag.NArg() != 1 || *endpoint == "" {
		flag.Usage()
		os.Exit(2)
	}
	if err := run(flag.Arg(0), *endpoint, *user, *seed, *out, *revisions, *snapshots); err != nil {
		fmt.Fprintf(os.Stderr, "history %s: %v\n", flag.Arg(0), err)
		os.Exit(1)
	}
}

func run(command, endpoint, user string, seed uint64, out, revisions string, snapshots int) error {
	config := clientv3.Config{Endpoints: []string{endpoint}, DialTimeout: 10 * time.Second, Logger: zap.NewNop()}
	if name, password, found := strings.Cut(user, ":"); found {
		config.Username, config.Password = name, password
	}
	client, err := clientv3.New(config)
	if err != nil {
		return err
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()

	w := newWriter(ctx, client, seed)
	switch command {
	case "tiny":
		w.put("hello", []byte("world"))
	case "rich":
		w.rich()
	case "kubernetes":
		w.kubernetes()
	case "large":
		w.large()
	case "more":
		w.more()
	case "compaction":
		w.unfinishedCompaction()
	case "auth-enable":
		w.enableAuth()
	case "auth-disable":
		w.disableAuth()
	case "member-churn":
		w.churnMember()
	case "member-learner":
		w.addLearner()
	case "alarm":
		w.raiseAlarm(endpoint)
	case "load":
		return load(ctx, client, endpoint, out, seed, snapshots)
	case "dump":
		return dump(ctx, client, endpoint, out, revisions)
	case "replay":
		return replay(ctx, client, out)
	default:
		return fmt.Errorf("unknown command")
	}
	if w.err != nil {
		return w.err
	}
	// The recorder also dumps the state at these older revisions.
	return json.NewEncoder(os.Stdout).Encode(map[string]any{"revision": w.revision, "sampled": w.sampled})
}
