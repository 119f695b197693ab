package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	"go.etcd.io/etcd/api/v3/mvccpb"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
)

// Objects of a real cluster that serve as templates: the values of a recorded snapshot, by the folder in their keys.
type templates struct {
	values map[string][][]byte
	keys   map[string]string
}

// The first bytes of a value in protobuf.
var protobuf = []byte("k8s\x00")

// Folders for the generated keys, and the percentage of keys in each.
var folders = []struct {
	folder string
	share  int
}{
	{"pods", 40}, {"events", 25}, {"leases/kube-node-lease", 4}, {"secrets", 8}, {"configmaps", 5}, {"replicasets", 9}, {"example.com/widgets", 9},
}

const namespaces = 60

// The creation time of the first object: 2026-01-01T00:00:00Z.
const epoch = 1_767_225_600

// readTemplates takes the newest value of each key of a recorded snapshot.
func readTemplates(path string) (*templates, error) {
	db, err := bolt.Open(path, 0o400, &bolt.Options{ReadOnly: true, PreLoadFreelist: false})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	newest := map[string][]byte{}
	err = db.View(func(tx *bolt.Tx) error {
		return tx.Bucket([]byte("key")).ForEach(func(key, value []byte) error {
			var kv mvccpb.KeyValue
			if err := kv.Unmarshal(value); err != nil {
				return err
			}
			if len(key) > 17 {
				delete(newest, string(kv.Key))
			} else {
				newest[string(kv.Key)] = kv.Value
			}
			return nil
		})
	})
	if err != nil {
		return nil, err
	}
	t := &templates{values: map[string][][]byte{}, keys: map[string]string{}}
	for key, value := range newest {
		t.keys[key] = string(value)
		for _, folder := range folders {
			if strings.HasPrefix(key, "/registry/"+strings.SplitN(folder.folder, "/kube-", 2)[0]+"/") {
				t.values[folder.folder] = append(t.values[folder.folder], value)
			}
		}
	}
	for _, folder := range folders {
		if len(t.values[folder.folder]) == 0 {
			return nil, fmt.Errorf("there are no %s in %s", folder.folder, path)
		}
		// Maps have no order, but the same flags must give the same objects.
		slices.SortFunc(t.values[folder.folder], bytes.Compare)
	}
	return t, nil
}

// objects writes what API servers write, for a file of about `target` bytes: real objects with varied names, times, addresses and sizes.
func (s *store) objects(t *templates, target int64) error {
	definition := "/registry/apiextensions.k8s.io/customresourcedefinitions/widgets.example.com"
	if err := s.put(definition, []byte(t.keys[definition]), 0); err != nil {
		return err
	}
	for i := range namespaces {
		value, err := t.namespace(i)
		if err != nil {
			return err
		}
		if err := s.put(fmt.Sprintf("/registry/namespaces/namespace-%02d", i), value, 0); err != nil {
			return err
		}
	}
	fixed := len(s.live)
	// Found by experiment: values, keys and page headers, minus the space that the compaction in the middle frees.
	operations := target / 3_650
	for i := range operations {
		choice := s.random.IntN(100)
		var err error
		switch {
		case choice < updates && len(s.live) > fixed:
			key := s.live[fixed+s.random.IntN(len(s.live)-fixed)].key
			err = s.object(t, key, i)
		case choice < updates+deletes && len(s.live) > fixed:
			err = s.deleteAt(fixed + s.random.IntN(len(s.live)-fixed))
		default:
			folder := s.folder()
			place := fmt.Sprintf("/namespace-%02d", s.random.IntN(namespaces))
			if strings.Contains(folder, "/kube-") {
				place = ""
			}
			err = s.object(t, fmt.Sprintf("/registry/%s%s/object-%08x", folder, place, s.random.Uint32()), i)
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

func (s *store) folder() string {
	choice := s.random.IntN(100)
	for _, folder := range folders {
		if choice -= folder.share; choice < 0 {
			return folder.folder
		}
	}
	return folders[0].folder
}

// object writes one object under its key.
func (s *store) object(t *templates, key string, number int64) error {
	parts := strings.Split(strings.TrimPrefix(key, "/registry/"), "/")
	name, namespace := parts[len(parts)-1], parts[len(parts)-2]
	folder := strings.Join(parts[:len(parts)-2], "/")
	if namespace == "kube-node-lease" {
		folder += "/" + namespace
	}
	values := t.values[folder]
	if len(values) == 0 {
		return fmt.Errorf("no template for %s", key)
	}
	value := values[s.random.IntN(len(values))]
	made := metav1.NewTime(time.Unix(epoch+number, 0))
	value, err := s.vary(value, name, namespace, made)
	if err != nil {
		return fmt.Errorf("%s: %w", key, err)
	}
	return s.put(key, value, 0)
}

// vary changes the metadata of an object in protobuf; the rest stays as it is.
func (s *store) vary(value []byte, name, namespace string, made metav1.Time) ([]byte, error) {
	uid := types.UID(fmt.Sprintf("%08x-0000-4000-8000-%012x", s.random.Uint32(), s.random.Uint64()&0xffff_ffff_ffff))
	if !bytes.HasPrefix(value, protobuf) {
		var object map[string]any
		if err := json.Unmarshal(value, &object); err != nil {
			return nil, err
		}
		metadata := object["metadata"].(map[string]any)
		metadata["name"], metadata["namespace"], metadata["uid"] = name, namespace, uid
		metadata["creationTimestamp"] = made.UTC().Format(time.RFC3339)
		encoded, err := json.Marshal(object)
		return append(encoded, '\n'), err
	}
	var unknown runtime.Unknown
	if err := unknown.Unmarshal(value[len(protobuf):]); err != nil {
		return nil, err
	}
	set := func(metadata *metav1.ObjectMeta) {
		metadata.Name, metadata.Namespace, metadata.UID, metadata.CreationTimestamp = name, namespace, uid, made
		metadata.DeletionTimestamp = nil
	}
	var err error
	if unknown.Kind == "Pod" {
		unknown.Raw, err = s.pod(unknown.Raw, set)
	} else {
		unknown.Raw, err = withMetadata(unknown.Raw, set)
	}
	if err != nil {
		return nil, err
	}
	encoded, err := unknown.Marshal()
	return append(append([]byte{}, protobuf...), encoded...), err
}

// pod makes a Pod of 4 to 12 kB.
func (s *store) pod(raw []byte, set func(*metav1.ObjectMeta)) ([]byte, error) {
	var pod corev1.Pod
	if err := pod.Unmarshal(raw); err != nil {
		return nil, err
	}
	set(&pod.ObjectMeta)
	pod.Spec.NodeName = fmt.Sprintf("node-%03d", s.random.IntN(200))
	address := fmt.Sprintf("10.%d.%d.%d", s.random.IntN(256), s.random.IntN(256), s.random.IntN(256))
	pod.Status.PodIP, pod.Status.PodIPs = address, []corev1.PodIP{{IP: address}}
	if pod.Labels == nil {
		pod.Labels = map[string]string{}
	}
	pod.Labels["app.kubernetes.io/name"] = fmt.Sprintf("app-%02d", s.random.IntN(40))
	size := 4_000 + s.random.IntN(8_000)
	container := &pod.Spec.Containers[0]
	for pod.Size() < size {
		number := len(container.Env)
		container.Env = append(container.Env, corev1.EnvVar{Name: fmt.Sprintf("SETTING_%03d", number), Value: string(s.text(40))})
		// managedFields also lists who set the variable.
		if len(pod.ManagedFields) > 0 && pod.ManagedFields[0].FieldsV1 != nil {
			fields := pod.ManagedFields[0].FieldsV1
			fields.Raw = withField(fields.Raw, fmt.Sprintf("k:{\"name\":\"SETTING_%03d\"}", number))
		}
	}
	return pod.Marshal()
}

// withField adds a field to the JSON of managedFields.
func withField(raw []byte, name string) []byte {
	key, err := json.Marshal(name)
	if err != nil || len(raw) < 2 || raw[0] != '{' {
		return raw
	}
	added := append([]byte("{"), key...)
	added = append(added, `:{".":{},"f:name":{},"f:value":{}}`...)
	if raw[1] != '}' {
		added = append(added, ',')
	}
	return append(added, raw[1:]...)
}

// withMetadata changes field 1 of a message, which is the metadata of every object.
func withMetadata(raw []byte, set func(*metav1.ObjectMeta)) ([]byte, error) {
	if len(raw) == 0 || raw[0] != 0x0a {
		return nil, errors.New("the metadata do not come first")
	}
	length, at := 0, 1
	for shift := 0; ; shift += 7 {
		if at >= len(raw) {
			return nil, errors.New("the message is cut off")
		}
		length |= int(raw[at]&0x7f) << shift
		at++
		if raw[at-1] < 0x80 {
			break
		}
	}
	var metadata metav1.ObjectMeta
	if err := metadata.Unmarshal(raw[at : at+length]); err != nil {
		return nil, err
	}
	set(&metadata)
	encoded, err := metadata.Marshal()
	if err != nil {
		return nil, err
	}
	out := []byte{0x0a}
	for rest := len(encoded); ; rest >>= 7 {
		if rest < 0x80 {
			out = append(out, byte(rest))
			break
		}
		out = append(out, byte(rest)|0x80)
	}
	return append(append(out, encoded...), raw[at+length:]...), nil
}

func (t *templates) namespace(number int) ([]byte, error) {
	namespace := corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: fmt.Sprintf("namespace-%02d", number), CreationTimestamp: metav1.NewTime(time.Unix(epoch, 0))}}
	raw, err := namespace.Marshal()
	if err != nil {
		return nil, err
	}
	unknown := runtime.Unknown{TypeMeta: runtime.TypeMeta{APIVersion: "v1", Kind: "Namespace"}, Raw: raw}
	encoded, err := unknown.Marshal()
	return append(append([]byte{}, protobuf...), encoded...), err
}
