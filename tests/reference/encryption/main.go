// Encrypts values as Kubernetes' API server does, with its own packages, and serves a KMS plugin with Kubernetes' own server.
//
//	encryption seal              reads one request per line, writes each encrypted value in base64
//	encryption vectors           writes the requests below with their values: tests/encryption/vectors.jsonl
//	encryption plugin SOCKET     serves KMS v2 until its input ends; writes a line for each key that it decrypts
package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/aes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"k8s.io/apiserver/pkg/storage/value"
	aestransformer "k8s.io/apiserver/pkg/storage/value/encrypt/aes"
	"k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2"
	"k8s.io/apiserver/pkg/storage/value/encrypt/secretbox"
	"k8s.io/kms/pkg/service"
)

// What to encrypt; bytes are in base64.
type request struct {
	// aescbc, aesgcm, secretbox; kms-seed and kms-key for the two kinds of sources of KMS v2.
	Provider string `json:"provider"`
	// The name of the key or the plugin.
	Name   string `json:"name"`
	Secret []byte `json:"secret,omitempty"`
	// The etcd key.
	Key    string `json:"key"`
	Plain  []byte `json:"plain"`
	Sealed []byte `json:"sealed,omitempty"`
}

func main() {
	err := fmt.Errorf("usage: encryption seal | vectors | plugin SOCKET")
	switch {
	case len(os.Args) == 2 && os.Args[1] == "seal":
		err = sealAll()
	case len(os.Args) == 2 && os.Args[1] == "vectors":
		err = vectors()
	case len(os.Args) == 3 && os.Args[1] == "plugin":
		err = serve(os.Args[2])
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func sealAll() error {
	out := json.NewEncoder(os.Stdout)
	for in := json.NewDecoder(bufio.NewReader(os.Stdin)); in.More(); {
		var r request
		if err := in.Decode(&r); err != nil {
			return err
		}
		if err := r.seal(); err != nil {
			return err
		}
		if err := out.Encode(r.Sealed); err != nil {
			return err
		}
	}
	return nil
}

func (r *request) seal() error {
	transformer, prefix, err := r.transformer()
	if err != nil {
		return err
	}
	prefixed := value.NewPrefixTransformers(nil, value.PrefixTransformer{
		Prefix: []byte("k8s:enc:" + prefix + r.Name + ":"), Transformer: transformer,
	})
	r.Sealed, err = prefixed.TransformToStorage(context.Background(), r.Plain, value.DefaultContext(r.Key))
	return err
}

func (r *request) transformer() (value.Transformer, string, error) {
	switch r.Provider {
	case "secretbox":
		var key [32]byte
		copy(key[:], r.Secret)
		return secretbox.NewSecretboxTransformer(key), "secretbox:v1:", nil
	case "aescbc", "aesgcm":
		block, err := aes.NewCipher(r.Secret)
		if err != nil {
			return nil, "", err
		}
		if r.Provider == "aescbc" {
			return aestransformer.NewCBCTransformer(block), "aescbc:v1:", nil
		}
		gcm, err := aestransformer.NewGCMTransformer(block)
		return gcm, "aesgcm:v1:", err
	case "kms-seed", "kms-key":
		ctx := context.Background()
		transformer, object, cacheKey, err := kmsv2.GenerateTransformer(ctx, "uid", plugin{}, r.Provider == "kms-seed")
		if err != nil {
			return nil, "", err
		}
		state := kmsv2.State{
			Transformer:                           transformer,
			EncryptedObjectKeyID:                  object.KeyID,
			EncryptedObjectEncryptedDEKSource:     object.EncryptedDEKSource,
			EncryptedObjectAnnotations:            object.Annotations,
			EncryptedObjectEncryptedDEKSourceType: object.EncryptedDEKSourceType,
			UID:                                   "uid",
			ExpirationTimestamp:                   time.Now().Add(time.Hour),
			CacheKey:                              cacheKey,
			KMSProviderName:                       r.Name,
		}
		current := func() (kmsv2.State, error) { return state, nil }
		return kmsv2.NewEnvelopeTransformer(plugin{}, r.Name, current, "server"), "kms:v2:", nil
	}
	return nil, "", fmt.Errorf("unknown provider %q", r.Provider)
}

// A KMS plugin whose cipher is an exclusive or. It accepts only its own key's name and annotation.
type plugin struct{}

const (
	keyID      = "kek-2026"
	annotation = "plugin.etcdsnap.example"
)

func crypt(data []byte) []byte {
	out := make([]byte, len(data))
	for at, b := range data {
		out[at] = b ^ 0x5a
	}
	return out
}

func (plugin) Encrypt(_ context.Context, _ string, data []byte) (*service.EncryptResponse, error) {
	return &service.EncryptResponse{
		Ciphertext: crypt(data), KeyID: keyID, Annotations: map[string][]byte{annotation: []byte("v1")},
	}, nil
}

func (plugin) Decrypt(_ context.Context, uid string, r *service.DecryptRequest) ([]byte, error) {
	if strings.HasPrefix(r.KeyID, "denied-") {
		return nil, status.Error(codes.PermissionDenied, "the token has no such right")
	}
	if uid == "" || r.KeyID != keyID || !bytes.Equal(r.Annotations[annotation], []byte("v1")) {
		return nil, fmt.Errorf("the key %q is not known", r.KeyID)
	}
	fmt.Println("opened")
	return crypt(r.Ciphertext), nil
}

func (plugin) Status(context.Context) (*service.StatusResponse, error) {
	return &service.StatusResponse{Version: "v2", Healthz: "ok", KeyID: keyID}, nil
}

func serve(socket string) error {
	server := service.NewGRPCService(socket, 5*time.Second, plugin{})
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	ended := make(chan error, 1)
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		}
		ended <- nil
	}()
	select {
	case err := <-failed:
		return err
	case <-ended:
		return nil
	}
}

// Writes values with all ciphers, key lengths, and names; each under its own etcd key.
func vectors() error {
	secret := func(length int) []byte { return bytes.Repeat([]byte{byte(length)}, length) }
	requests := []request{}
	for _, provider := range []string{"aescbc", "aesgcm"} {
		for _, length := range []int{16, 24, 32} {
			requests = append(requests, request{Provider: provider, Name: fmt.Sprintf("key%d", length), Secret: secret(length)})
		}
	}
	timed := "key-2026-03-09T09:46:54+01:00"
	for _, provider := range []string{"aescbc", "aesgcm", "secretbox"} {
		requests = append(requests, request{Provider: provider, Name: timed, Secret: secret(32)})
	}
	requests = append(requests, request{Provider: "secretbox", Name: "key1", Secret: secret(32)})
	requests = append(requests, request{Provider: "kms-seed", Name: "vault"}, request{Provider: "kms-key", Name: "vault"})
	out := json.NewEncoder(os.Stdout)
	write := func(r request) error {
		if err := r.seal(); err != nil {
			return err
		}
		return out.Encode(r)
	}
	for number, r := range requests {
		name := fmt.Sprintf("%s-%d", r.Provider, number)
		r.Key, r.Plain = "/registry/secrets/shop/"+name, secretObject(name)
		if err := write(r); err != nil {
			return err
		}
		r.Key = "/registry/example.com/widgets/shop/" + name
		r.Plain = []byte(`{"apiVersion":"example.com/v1","kind":"Widget","metadata":{"name":"` + name + `","namespace":"shop"}}` + "\n")
		if err := write(r); err != nil {
			return err
		}
	}
	return nil
}

// Returns a Secret as API servers store it, with a password in its data and in its annotation.
func secretObject(name string) []byte {
	entry := func(key, text string) []byte { return append(field(1, []byte(key)), field(2, []byte(text))...) }
	applied := `{"apiVersion":"v1","kind":"Secret","stringData":{"password":"hunter2"}}`
	metadata := slices.Concat(
		field(1, []byte(name)), field(2, nil), field(3, []byte("shop")), field(4, nil), field(5, nil), field(6, nil),
		field(8, nil), field(12, entry("kubectl.kubernetes.io/last-applied-configuration", applied)),
	)
	object := slices.Concat(field(1, metadata), field(2, entry("password", "hunter2")), field(3, []byte("Opaque")))
	types := slices.Concat(field(1, []byte("v1")), field(2, []byte("Secret")))
	return slices.Concat([]byte("k8s\x00"), field(1, types), field(2, object), field(3, nil), field(4, nil))
}

// Encodes a length-delimited field of a protobuf message.
func field(number int, data []byte) []byte {
	return append(binary.AppendUvarint([]byte{byte(number<<3 | 2)}, uint64(len(data))), data...)
}
