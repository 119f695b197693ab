// A KMS v2 plugin for recordings: it wraps keys with a key of its own from its arguments, as no real plugin would.
package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"net"
	"os"

	"google.golang.org/grpc"
	kms "k8s.io/kms/apis/v2"
)

type plugin struct {
	kms.UnimplementedKeyManagementServiceServer
	keyID string
	aead  cipher.AEAD
}

// main listens on the socket in the first argument; the second is the key's id, from which the key is derived.
func main() {
	if err := serve(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(socket, keyID string) error {
	key := sha256.Sum256([]byte(keyID))
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return err
	}
	aead, err := cipher.NewGCM(block)
	if err != nil {
		return err
	}
	listener, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	kms.RegisterKeyManagementServiceServer(server, &plugin{keyID: keyID, aead: aead})
	return server.Serve(listener)
}

func (p *plugin) Status(context.Context, *kms.StatusRequest) (*kms.StatusResponse, error) {
	return &kms.StatusResponse{Version: "v2", Healthz: "ok", KeyId: p.keyID}, nil
}

func (p *plugin) Encrypt(_ context.Context, request *kms.EncryptRequest) (*kms.EncryptResponse, error) {
	nonce := make([]byte, p.aead.NonceSize())
	if _, err := rand.Read(nonce); err != nil {
		return nil, err
	}
	return &kms.EncryptResponse{
		Ciphertext:  p.aead.Seal(nonce, nonce, request.Plaintext, nil),
		KeyId:       p.keyID,
		Annotations: map[string][]byte{"wrapped-by.etcdsnap.example": []byte("AES-256-GCM")},
	}, nil
}

func (p *plugin) Decrypt(_ context.Context, request *kms.DecryptRequest) (*kms.DecryptResponse, error) {
	size := p.aead.NonceSize()
	if request.KeyId != p.keyID || len(request.Ciphertext) < size {
		return nil, fmt.Errorf("the key %q is not known", request.KeyId)
	}
	plain, err := p.aead.Open(nil, request.Ciphertext[:size], request.Ciphertext[size:], nil)
	if err != nil {
		return nil, err
	}
	return &kms.DecryptResponse{Plaintext: plain}, nil
}
