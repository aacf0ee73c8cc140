package aws

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"
)

func TestOfManyProcessesOneMakesTheSecret(t *testing.T) {
	h := newKeyHouse(t, "")
	const processes = 50
	got := make([][]byte, processes)
	var wg sync.WaitGroup
	for i := range processes {
		s := OpenSecrets(h.db(t, nil), h.config("ADMIN", h.url, nil), h.wrapper)
		wg.Add(1)
		go func() {
			defer wg.Done()
			err := s.MakeSecret(t.Context(), "pairwise")
			if err == nil {
				got[i], err = s.Secret(t.Context(), "pairwise")
			}
			if err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	for _, secret := range got {
		if len(secret) != secretSize || !bytes.Equal(secret, got[0]) {
			t.Fatal("two processes have different secrets")
		}
	}
}

func TestASecretIsThatOfItsName(t *testing.T) {
	h := newKeyHouse(t, `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"kms:Decrypt","Resource":"*","Condition":
		{"StringEquals":{"kms:EncryptionContext:purpose":"secret","kms:EncryptionContext:owner":"pairwise"}}}]}`)
	admin := OpenSecrets(h.db(t, nil), h.config("ADMIN", h.url, nil), h.wrapper)
	if _, err := admin.Secret(t.Context(), "pairwise"); !errors.Is(err, ErrSecretUnknown) {
		t.Errorf("before it is made: %v", err)
	}
	for _, name := range []string{"pairwise", "identity-hmac"} {
		if err := admin.MakeSecret(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	one, err := admin.Secret(t.Context(), "pairwise")
	if err != nil {
		t.Fatal(err)
	}
	if other, err := admin.Secret(t.Context(), "identity-hmac"); err != nil || bytes.Equal(one, other) {
		t.Errorf("two names have one secret: %v", err)
	}
	role := OpenSecrets(h.db(t, nil), h.config("OTHER", h.url, nil), h.wrapper)
	if again, err := role.Secret(t.Context(), "pairwise"); err != nil || !bytes.Equal(one, again) {
		t.Errorf("a role with the right: %v", err)
	}
	if _, err := role.Secret(t.Context(), "identity-hmac"); refusal(err) != "AccessDeniedException" {
		t.Errorf("a role without the right: %v", err)
	}
	if err := role.MakeSecret(t.Context(), "another"); refusal(err) != "AccessDeniedException" {
		t.Errorf("a role that may not make: %v", err)
	}
	for _, name := range []string{"", strings.Repeat("a", 101)} {
		if err := admin.MakeSecret(t.Context(), name); err == nil {
			t.Errorf("the name %q was taken", name)
		}
	}
}
