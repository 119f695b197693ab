package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// writer remembers the first error, so that a scenario reads as a list of steps.
type writer struct {
	ctx      context.Context
	client   *clientv3.Client
	random   *rand.Rand
	revision int64
	sampled  []int64
	err      error
}

func newWriter(ctx context.Context, client *clientv3.Client, seed uint64) *writer {
	return &writer{ctx: ctx, client: client, random: rand.New(rand.NewPCG(seed, 2))}
}

func (w *writer) note(header *etcdserverpb.ResponseHeader, err error) {
	if w.err != nil {
		return
	}
	if w.err = err; err == nil && header != nil {
		w.revision = max(w.revision, header.Revision)
	}
}

func (w *writer) put(key string, value []byte, options ...clientv3.OpOption) {
	if w.err == nil {
		response, err := w.client.Put(w.ctx, key, string(value), options...)
		w.note(headerOf(response, err), err)
	}
}

func (w *writer) delete(key string, options ...clientv3.OpOption) {
	if w.err == nil {
		response, err := w.client.Delete(w.ctx, key, options...)
		if err == nil {
			w.note(response.Header, nil)
		} else {
			w.note(nil, err)
		}
	}
}

func (w *writer) txn(operations ...clientv3.Op) {
	if w.err == nil {
		response, err := w.client.Txn(w.ctx).Then(operations...).Commit()
		if err == nil {
			w.note(response.Header, nil)
		} else {
			w.note(nil, err)
		}
	}
}

// compact waits until the removal is written, when physical.
func (w *writer) compact(revision int64, options ...clientv3.CompactOption) {
	if w.err == nil {
		_, err := w.client.Compact(w.ctx, revision, options...)
		w.note(nil, err)
	}
}

// grant requests a chosen id, which the client library's own Grant cannot.
func (w *writer) grant(id, ttl int64) clientv3.LeaseID {
	if w.err == nil {
		request := &etcdserverpb.LeaseGrantRequest{ID: id, TTL: ttl}
		_, err := etcdserverpb.NewLeaseClient(w.client.ActiveConnection()).LeaseGrant(w.ctx, request)
		w.note(nil, err)
	}
	return clientv3.LeaseID(id)
}

func (w *writer) revoke(id clientv3.LeaseID) {
	if w.err == nil {
		response, err := w.client.Revoke(w.ctx, id)
		if err == nil {
			w.note(response.Header, nil)
		} else {
			w.note(nil, err)
		}
	}
}

// sample marks the current revision as one at which old states are compared.
func (w *writer) sample() { w.sampled = append(w.sampled, w.revision) }

func headerOf(response *clientv3.PutResponse, err error) *etcdserverpb.ResponseHeader {
	if err != nil {
		return nil
	}
	return response.Header
}

func (w *writer) text(length int) []byte {
	const letters = "abcdefghijklmnopqrstuvwxyz0123456789"
	out := make([]byte, length)
	for i := range out {
		out[i] = letters[w.random.IntN(len(letters))]
	}
	return out
}

func (w *writer) enableAuth() {
	step := func(_ any, err error) { w.note(nil, err) }
	c, ctx := w.client, w.ctx
	step(c.RoleAdd(ctx, "root"))
	step(c.UserAdd(ctx, "root", "root-secret"))
	step(c.UserGrantRole(ctx, "root", "root"))
	step(c.RoleAdd(ctx, "reader"))
	step(c.RoleGrantPermission(ctx, "reader", "app/", "app0", clientv3.PermissionType(clientv3.PermRead)))
	step(c.RoleGrantPermission(ctx, "reader", "exact", "", clientv3.PermissionType(clientv3.PermRead)))
	step(c.RoleAdd(ctx, "writer"))
	step(c.RoleGrantPermission(ctx, "writer", "app/", "app0", clientv3.PermissionType(clientv3.PermReadWrite)))
	step(c.RoleGrantPermission(ctx, "writer", "log/", "\x00", clientv3.PermissionType(clientv3.PermWrite)))
	step(c.UserAdd(ctx, "alice", "alice-secret"))
	step(c.UserGrantRole(ctx, "alice", "reader"))
	step(c.UserGrantRole(ctx, "alice", "writer"))
	step(c.UserAdd(ctx, "bob", "bob-secret"))
	step(c.UserAdd(ctx, "gone", "gone-secret"))
	step(c.UserDelete(ctx, "gone"))
	step(c.AuthEnable(ctx))
}

func (w *writer) disableAuth() {
	_, err := w.client.AuthDisable(w.ctx)
	w.note(nil, err)
}

// churnMember adds a member which never starts and removes it. A young cluster refuses for some seconds.
func (w *writer) churnMember() {
	var id uint64
	w.retry("unhealthy cluster", func() error {
		response, err := w.client.MemberAddAsLearner(w.ctx, []string{"http://127.0.0.1:1"})
		if err == nil {
			id = response.Member.ID
		}
		return err
	})
	w.retry("unhealthy cluster", func() error {
		_, err := w.client.MemberRemove(w.ctx, id)
		return err
	})
}

func (w *writer) addLearner() {
	w.retry("unhealthy cluster", func() error {
		_, err := w.client.MemberAddAsLearner(w.ctx, []string{"http://127.0.0.1:2"})
		return err
	})
}

func (w *writer) retry(while string, step func() error) {
	for attempt := 0; w.err == nil; attempt++ {
		err := step()
		if err == nil {
			return
		}
		if attempt == 60 || !strings.Contains(err.Error(), while) {
			w.err = err
			return
		}
		time.Sleep(250 * time.Millisecond)
	}
}

func (w *writer) raiseAlarm(endpoint string) {
	status, err := w.client.Status(w.ctx, endpoint)
	if err != nil {
		w.err = err
		return
	}
	request := &etcdserverpb.AlarmRequest{
		Action:   etcdserverpb.AlarmRequest_ACTIVATE,
		MemberID: status.Header.MemberId,
		Alarm:    etcdserverpb.AlarmType_NOSPACE,
	}
	_, err = etcdserverpb.NewMaintenanceClient(w.client.ActiveConnection()).Alarm(w.ctx, request)
	w.note(nil, err)
	if err == nil {
		if _, err = w.client.Put(w.ctx, "after-alarm", "refused"); err == nil {
			w.err = errors.New("a write passed in spite of the alarm")
		}
	}
}

func key(format string, arguments ...any) string { return fmt.Sprintf(format, arguments...) }
