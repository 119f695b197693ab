package main

import (
	"encoding/json"

	clientv3 "go.etcd.io/etcd/client/v3"
)

// rich writes every kind of entry that the key bucket can hold.
func (w *writer) rich() {
	for i := range 120 {
		w.put(key("app/config/%03d", i), w.text(20+w.random.IntN(180)))
	}
	for range 200 {
		w.put(key("app/config/%03d", w.random.IntN(120)), w.text(20+w.random.IntN(120)))
	}
	w.put("empty/value", nil)
	w.put("empty/overwritten", []byte("soon empty"))
	w.put("empty/overwritten", nil)
	for _, odd := range []string{"\x00", "\x00\x00", "\xff", "\xff\xff\xff", "bin/\x00middle", "bin/\xc3\x28", "bin/\xed\xa0\x80", "bin/line\nbreak", "bin/tab\t\"quote\"", "unicode/ключ/鍵", "t", "_", " "} {
		w.put(odd, []byte{0x00, 0xff, 0x0a, 0x80, 0xc3, 0x28})
	}
	w.put("key/of/some/length/"+string(w.text(700)), []byte("long key"))
	w.put("page/overflow", w.text(9_000))
	w.put("page/overflow-exact", w.text(4_096))

	// Created, deleted, created again: three generations.
	for i := range 20 {
		k := key("reborn/%02d", i)
		w.put(k, []byte("first life"))
		w.put(k, []byte("first life, changed"))
		w.delete(k)
		w.put(k, []byte("second life"))
		if i%2 == 0 {
			w.delete(k)
		}
		if i%4 == 0 {
			w.put(k, []byte("third life"))
		}
	}
	w.delete("never/existed")
	for i := range 30 {
		w.put(key("range/%02d", i), w.text(12))
	}
	w.delete("range/1", clientv3.WithPrefix())

	for i := range 25 {
		w.txn(
			clientv3.OpPut(key("txn/a/%02d", i), string(w.text(16))),
			clientv3.OpPut(key("txn/b/%02d", i%7), string(w.text(16))),
			clientv3.OpDelete(key("txn/a/%02d", i-3)),
			clientv3.OpDelete(key("txn/c/%02d", i-1)),
			clientv3.OpPut(key("txn/c/%02d", i), ""),
			clientv3.OpDelete("txn/none", clientv3.WithPrefix()),
		)
	}

	w.grant(0x1111, 7_200) // never used
	held := w.grant(0x2222, 36_000)
	revoked := w.grant(0x3333, 3_600)
	largest := w.grant(0x7fff_ffff_ffff_fffe, 86_400)
	for i := range 10 {
		w.put(key("leased/held/%d", i), w.text(10), clientv3.WithLease(held))
		w.put(key("leased/revoked/%d", i), w.text(10), clientv3.WithLease(revoked))
	}
	w.put("leased/largest", []byte("id near the end"), clientv3.WithLease(largest))
	w.put("leased/moved", []byte("1"), clientv3.WithLease(held))
	w.put("leased/moved", []byte("2"), clientv3.WithLease(largest))
	w.put("leased/freed", []byte("1"), clientv3.WithLease(held))
	w.put("leased/freed", []byte("2"))
	w.revoke(revoked)

	// The compacted revision is a deletion's own: newer servers keep that tombstone.
	w.put("edge/compacted-tombstone", []byte("x"))
	w.delete("edge/compacted-tombstone")
	edge := w.revision
	w.put("edge/after", []byte("y"))
	w.compact(edge, clientv3.WithCompactPhysical())

	for range 120 {
		w.put(key("app/config/%03d", w.random.IntN(120)), w.text(20+w.random.IntN(80)))
	}
	w.sample()
	for i := range 20 {
		w.delete(key("app/config/%03d", i*3))
	}
	w.put("edge/compacted-tombstone", []byte("again"))
	w.sample()
	for i := range 10 {
		w.put(key("app/config/%03d", i*3), []byte("back"))
	}
	w.delete("reborn/01")
}

// more writes what a restored cluster does next.
func (w *writer) more() {
	for i := range 30 {
		w.put(key("app/config/%03d", i), []byte("after the restore"))
	}
	w.put("restored/first", []byte("1"))
	w.sample()
	w.delete("app/config/005")
	w.txn(clientv3.OpPut("restored/txn", "a"), clientv3.OpDelete("app/config/006"))
	w.sample()
	w.put("restored/last", []byte("2"))
}

func (w *writer) large() {
	w.put("large/value", w.text(300_000))
	w.put("large/neighbour", []byte("small"))
	w.delete("large/absent")
	w.put("large/value", w.text(300_000))
}

// unfinishedCompaction needs a server that removes few revisions at a time.
func (w *writer) unfinishedCompaction() {
	for i := range 2_000 {
		if k := key("churn/%03d", i%150); i%40 == 39 {
			w.delete(k)
		} else {
			w.put(k, w.text(40))
		}
	}
	w.sample()
	for i := range 50 {
		w.put(key("churn/%03d", i), []byte("late"))
	}
	w.compact(w.revision - 60)
}

// kubernetes writes what an API server would: objects as JSON, status updates, events with leases, node heartbeats.
func (w *writer) kubernetes() {
	namespaces := []string{"default", "kube-system", "ingress", "monitoring", "payments", "shop"}
	object := func(kind, namespace, name string, generation int) []byte {
		labels := map[string]string{"app.kubernetes.io/name": name, "app.kubernetes.io/managed-by": "demo"}
		value, _ := json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": kind,
			"metadata": map[string]any{"name": name, "namespace": namespace, "generation": generation, "labels": labels,
				"creationTimestamp": "2026-01-02T03:04:05Z", "uid": string(w.text(8)) + "-4cf2-4a5e-9d1b-5e0f3c2a7b11"},
			"status": map[string]any{"phase": "Running", "observedGeneration": generation},
		})
		return value
	}
	for _, namespace := range namespaces {
		w.put("/registry/namespaces/"+namespace, object("Namespace", "", namespace, 1))
		w.put("/registry/serviceaccounts/"+namespace+"/default", object("ServiceAccount", namespace, "default", 1))
		w.put("/registry/configmaps/"+namespace+"/kube-root-ca.crt", object("ConfigMap", namespace, "kube-root-ca.crt", 1))
	}
	var pods []string
	for _, namespace := range namespaces {
		for _, app := range []string{"api", "web", "worker", "cache"} {
			w.put(key("/registry/deployments/%s/%s", namespace, app), object("Deployment", namespace, app, 1))
			w.put(key("/registry/services/specs/%s/%s", namespace, app), object("Service", namespace, app, 1))
			set := app + "-" + string(w.text(10))
			w.put(key("/registry/replicasets/%s/%s", namespace, set), object("ReplicaSet", namespace, set, 1))
			for range 3 {
				pod := set + "-" + string(w.text(5))
				path := key("/registry/pods/%s/%s", namespace, pod)
				for status := range 3 {
					w.put(path, object("Pod", namespace, pod, status+1))
				}
				pods = append(pods, path)
			}
		}
	}
	events := w.grant(0x00de_ad00_beef, 3_600)
	for i, pod := range pods {
		w.put(key("/registry/events/%s.%x", pod[len("/registry/pods/"):], 0x17a0_0000+i), object("Event", "", "Scheduled", 1), clientv3.WithLease(events))
	}
	for beat := range 12 {
		for node := range 5 {
			name := key("node-%d", node)
			w.put("/registry/leases/kube-node-lease/"+name, object("Lease", "kube-node-lease", name, beat+1))
			if beat%4 == 0 {
				w.put("/registry/minions/"+name, object("Node", "", name, beat+1))
			}
		}
	}
	w.compact(w.revision-150, clientv3.WithCompactPhysical())
	w.sample()
	for i, pod := range pods {
		if i%6 == 0 {
			w.delete(pod)
		}
	}
	w.sample()
	w.delete("/registry/events/ingress/", clientv3.WithPrefix())
	for beat := range 6 {
		for node := range 5 {
			name := key("node-%d", node)
			w.put("/registry/leases/kube-node-lease/"+name, object("Lease", "kube-node-lease", name, beat+13))
		}
	}
}
