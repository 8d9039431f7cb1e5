package dockerengine

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/docker/docker/client"
)

// FromEnvironment returns what DOCKER_HOST says, or nothing.
func FromEnvironment() string { return os.Getenv(client.EnvOverrideHost) }

// DefaultHost returns the engine that the docker command line would use: DOCKER_HOST, else the context chosen
// by DOCKER_CONTEXT or `docker context use`, else the platform's usual socket.
func DefaultHost() (string, error) {
	if host := FromEnvironment(); host != "" {
		return host, nil
	}
	dir, err := configDir()
	if err != nil {
		return "", err
	}
	name, err := contextName(dir)
	if err != nil {
		return "", err
	}
	if name == "" || name == "default" {
		return client.DefaultDockerHost, nil
	}
	return contextHost(dir, name)
}

func configDir() (string, error) {
	if dir := os.Getenv("DOCKER_CONFIG"); dir != "" {
		return dir, nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding Docker's configuration: %w; set DOCKER_HOST", err)
	}
	return filepath.Join(home, ".docker"), nil
}

func contextName(dir string) (string, error) {
	if name := os.Getenv("DOCKER_CONTEXT"); name != "" {
		return name, nil
	}
	var config struct {
		CurrentContext string `json:"currentContext"`
	}
	err := readJSON(filepath.Join(dir, "config.json"), &config)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return config.CurrentContext, err
}

func contextHost(dir, name string) (string, error) {
	id := sha256.Sum256([]byte(name))
	file := filepath.Join(dir, "contexts", "meta", hex.EncodeToString(id[:]), "meta.json")
	var meta struct {
		Endpoints map[string]struct{ Host string }
	}
	if err := readJSON(file, &meta); err != nil {
		return "", fmt.Errorf("the Docker context %q is not usable: %w; choose another with `docker context use`", name, err)
	}
	host := meta.Endpoints["docker"].Host
	if host == "" {
		return "", fmt.Errorf("the Docker context %q names no host (%s); choose another with `docker context use`", name, file)
	}
	return host, nil
}

func readJSON(file string, into any) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(content, into); err != nil {
		return fmt.Errorf("%s is not the JSON that Docker writes: %w", file, err)
	}
	return nil
}
