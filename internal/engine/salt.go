package engine

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	sdkconfig "github.com/pulumi/pulumi/sdk/v3/go/common/resource/config"
)

// saltBytes is the length of a salt of the engine's secrets provider "passphrase".
const saltBytes = 8

// makeSalt puts the salt of a new stack's secrets into the stack file of the
// folder that the engine works in, unless the file has one, or has another
// secrets provider. The engine would make it too, but writes the file in place:
// one that outlives a killed run would pull it from under the engine of the next.
func (s *Stack) makeSalt(ctx context.Context) error {
	path := filepath.Join(s.dir, "Pulumi."+s.Config.Name+".yaml")
	file, err := readStackFile(path)
	if err != nil || file.EncryptionSalt != "" || file.SecretsProvider != "" {
		return err
	}
	passphrase, err := s.readPassphrase()
	if err != nil {
		return err
	}
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return err
	}
	// The engine recognises the right passphrase by this word.
	proof, err := sdkconfig.NewSymmetricCrypterFromPassphrase(passphrase, salt).EncryptValue(ctx, "pulumi")
	if err != nil {
		return err
	}
	file.EncryptionSalt = fmt.Sprintf("v1:%s:%s", base64.StdEncoding.EncodeToString(salt), proof)
	return file.write(path)
}

// readPassphrase is the passphrase as the engine will read it.
func (s *Stack) readPassphrase() (string, error) {
	given := func(name string) (string, bool) {
		if value, is := s.workspace.GetEnvVars()[name]; is {
			return value, true
		}
		return os.LookupEnv(name)
	}
	if passphrase, is := given("PULUMI_CONFIG_PASSPHRASE"); is {
		return passphrase, nil
	}
	path, is := given("PULUMI_CONFIG_PASSPHRASE_FILE")
	if !is || path == "" {
		return "", ErrNoPassphrase
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("PULUMI_CONFIG_PASSPHRASE_FILE: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}
