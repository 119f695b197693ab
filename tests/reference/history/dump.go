package main

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Values longer than this are recorded only as a SHA-256, so that the recordings stay small.
const longestValue = 32

type keyState struct {
	Key    string `json:"key"` // base64
	Create int64  `json:"create"`
	Mod    int64  `json:"mod"`
	Ver    int64  `json:"version"`
	Lease  string `json:"lease,omitempty"` // hex
	Size   int    `json:"size"`
	Value  string `json:"value,omitempty"` // base64
	Sha256 string `json:"sha256,omitempty"`
}

type hashState struct {
	Revision        int64  `json:"revision"`
	Hash            uint32 `json:"hash"`
	CompactRevision int64  `json:"compact_revision"`
}

func dump(ctx context.Context, client *clientv3.Client, endpoint, out, revisions string) error {
	now, err := client.Get(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithCountOnly())
	if err != nil {
		return err
	}
	wanted := []int64{now.Header.Revision}
	for text := range strings.SplitSeq(revisions, ",") {
		if text == "" {
			continue
		}
		revision, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return err
		}
		wanted = append(wanted, revision)
	}
	steps := []func(context.Context, *clientv3.Client, string, string, []int64) error{
		dumpKeys, dumpMembers, dumpLeases, dumpAuth, dumpAlarms, dumpHashKV,
	}
	for _, step := range steps {
		if err := step(ctx, client, endpoint, out, wanted); err != nil {
			return err
		}
	}
	return nil
}

func dumpKeys(ctx context.Context, client *clientv3.Client, _, out string, wanted []int64) error {
	text := "{\"states\":[\n"
	for i, revision := range wanted {
		response, err := client.Get(ctx, "\x00", clientv3.WithFromKey(), clientv3.WithRev(revision))
		if err != nil {
			return err
		}
		if i > 0 {
			text += ",\n"
		}
		text += fmt.Sprintf("{\"revision\":%d,\"keys\":[", revision)
		lines, err := lines(response.Kvs, stateOf)
		if err != nil {
			return err
		}
		text += lines + "]}"
	}
	return os.WriteFile(filepath.Join(out, "keys.json"), []byte(text+"\n]}\n"), 0o644)
}

func stateOf(kv *mvccpb.KeyValue) keyState {
	state := keyState{Key: base64.StdEncoding.EncodeToString(kv.Key), Create: kv.CreateRevision, Mod: kv.ModRevision, Ver: kv.Version, Size: len(kv.Value)}
	if kv.Lease != 0 {
		state.Lease = strconv.FormatInt(kv.Lease, 16)
	}
	if len(kv.Value) <= longestValue {
		state.Value = base64.StdEncoding.EncodeToString(kv.Value)
	} else {
		sum := sha256.Sum256(kv.Value)
		state.Sha256 = hex.EncodeToString(sum[:])
	}
	return state
}

// lines writes each member of a JSON array on its own line, so that a change of one is a change of one line.
func lines[In, Out any](values []In, convert func(In) Out) (string, error) {
	text := ""
	for i, value := range values {
		line, err := json.Marshal(convert(value))
		if err != nil {
			return "", err
		}
		if i > 0 {
			text += ","
		}
		text += "\n" + string(line)
	}
	return text, nil
}

func dumpMembers(ctx context.Context, client *clientv3.Client, _, out string, _ []int64) error {
	response, err := client.MemberList(ctx)
	if err != nil {
		return err
	}
	type member struct {
		ID         string   `json:"id"` // hex
		Name       string   `json:"name"`
		PeerURLs   []string `json:"peer_urls"`
		ClientURLs []string `json:"client_urls"`
		Learner    bool     `json:"learner"`
	}
	members := []member{}
	for _, m := range response.Members {
		members = append(members, member{strconv.FormatUint(m.ID, 16), m.Name, m.PeerURLs, m.ClientURLs, m.IsLearner})
	}
	slices.SortFunc(members, func(a, b member) int { return strings.Compare(a.ID, b.ID) })
	return write(out, "members.json", map[string]any{"cluster_id": strconv.FormatUint(response.Header.ClusterId, 16), "members": members})
}

func dumpLeases(ctx context.Context, client *clientv3.Client, _, out string, _ []int64) error {
	response, err := client.Leases(ctx)
	if err != nil {
		return err
	}
	type lease struct {
		ID   string   `json:"id"` // hex
		TTL  int64    `json:"ttl"`
		Keys []string `json:"keys"` // base64
	}
	leases := []lease{}
	for _, l := range response.Leases {
		detail, err := client.TimeToLive(ctx, l.ID, clientv3.WithAttachedKeys())
		if err != nil {
			return err
		}
		keys := []string{}
		for _, k := range detail.Keys {
			keys = append(keys, base64.StdEncoding.EncodeToString(k))
		}
		slices.Sort(keys)
		leases = append(leases, lease{strconv.FormatInt(int64(l.ID), 16), detail.GrantedTTL, keys})
	}
	slices.SortFunc(leases, func(a, b lease) int { return strings.Compare(a.ID, b.ID) })
	return write(out, "leases.json", leases)
}

func dumpAuth(ctx context.Context, client *clientv3.Client, _, out string, _ []int64) error {
	users, err := client.UserList(ctx)
	if err != nil {
		return err
	}
	roles, err := client.RoleList(ctx)
	if err != nil {
		return err
	}
	type permission struct {
		Type  string `json:"type"`
		Key   string `json:"key"`       // base64
		Range string `json:"range_end"` // base64
	}
	userRoles, permissions := map[string][]string{}, map[string][]permission{}
	for _, name := range users.Users {
		user, err := client.UserGet(ctx, name)
		if err != nil {
			return err
		}
		userRoles[name] = append([]string{}, user.Roles...)
	}
	for _, name := range roles.Roles {
		role, err := client.RoleGet(ctx, name)
		if err != nil {
			return err
		}
		permissions[name] = []permission{}
		for _, p := range role.Perm {
			permissions[name] = append(permissions[name], permission{p.PermType.String(), base64.StdEncoding.EncodeToString(p.Key), base64.StdEncoding.EncodeToString(p.RangeEnd)})
		}
	}
	return write(out, "auth.json", map[string]any{"enabled": client.Username != "", "users": userRoles, "roles": permissions})
}

func dumpAlarms(ctx context.Context, client *clientv3.Client, _, out string, _ []int64) error {
	response, err := client.AlarmList(ctx)
	if err != nil {
		return err
	}
	type alarm struct {
		Member string `json:"member"` // hex
		Alarm  string `json:"alarm"`
	}
	alarms := []alarm{}
	for _, a := range response.Alarms {
		alarms = append(alarms, alarm{strconv.FormatUint(a.MemberID, 16), a.Alarm.String()})
	}
	return write(out, "alarms.json", alarms)
}

// dumpHashKV queries the given revisions. None of them may be compacted: for a compacted revision a server answers from memory,
// with a hash over revisions that are gone from its file.
func dumpHashKV(ctx context.Context, client *clientv3.Client, endpoint, out string, wanted []int64) error {
	hashes := []hashState{}
	for _, revision := range wanted {
		response, err := client.HashKV(ctx, endpoint, revision)
		if err != nil {
			return err
		}
		hashes = append(hashes, hashState{revision, response.Hash, response.CompactRevision})
	}
	return write(out, "hashkv.json", hashes)
}

func write(out, name string, value any) error {
	text, err := json.MarshalIndent(value, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, name), append(text, '\n'), 0o644)
}
