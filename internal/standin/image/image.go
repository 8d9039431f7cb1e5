// Package image is the recipe of the stand-in for the official PostgreSQL image:
// server binaries on a minimal Debian root, with an entrypoint of our own that
// honours the variables of the official one.
package image

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

const (
	// Repository is the name under which the image is kept; never the official one.
	Repository = "wcrdb-postgres-stand-in"
	// Version is that of the PostgreSQL server inside.
	Version = "16.14"
	// Suite is the Debian release of the root.
	Suite = "trixie"
	// Mirror is where Debian's packages come from.
	Mirror = "http://deb.debian.org/debian"
)

const dataDirectory = "/var/lib/postgresql/data"

// packages are those the root holds beside Debian's essential ones: psql, pg_dump
// and their kin, and what unpacks initialisation scripts.
var packages = []string{"postgresql-client-17", "xz-utils", "zstd"}

// excluded are the parts of packages that are never unpacked.
var excluded = []string{
	"/usr/share/bug/*", "/usr/share/doc/*", "/usr/share/info/*", "/usr/share/lintian/*",
	"/usr/share/locale/*", "/usr/share/man/*", "/usr/share/zoneinfo/*",
}

//go:embed docker-entrypoint.sh customize.sh
var scripts embed.FS

// Config is what a container of the image starts with, as the OCI image
// specification spells it.
type Config struct {
	Env          []string
	Entrypoint   []string
	Cmd          []string
	Volumes      map[string]struct{}
	ExposedPorts map[string]struct{}
	StopSignal   string
}

// DefaultConfig equals that of the official image but for the locale, which
// needs no locale package.
func DefaultConfig() Config {
	return Config{
		Env: []string{
			"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
			"LANG=C.UTF-8",
			"PG_MAJOR=16",
			"PG_VERSION=" + Version,
			"PGDATA=" + dataDirectory,
		},
		Entrypoint:   []string{"docker-entrypoint.sh"},
		Cmd:          []string{"postgres"},
		Volumes:      map[string]struct{}{dataDirectory: {}},
		ExposedPorts: map[string]struct{}{"5432/tcp": {}},
		StopSignal:   "SIGINT",
	}
}

// Ref names the image that this recipe makes of the given server binaries: its
// tag changes whenever anything in the recipe does.
func Ref(serverPackage string) (string, error) {
	args, _ := BootstrapCommand("scripts", serverPackage, "root.tar")
	recipe := struct {
		Server    string
		Bootstrap []string
		Config    Config
		Scripts   map[string][]byte
	}{serverPackage, args, DefaultConfig(), map[string][]byte{}}
	entries, err := scripts.ReadDir(".")
	if err != nil {
		return "", err
	}
	for _, entry := range entries {
		if recipe.Scripts[entry.Name()], err = scripts.ReadFile(entry.Name()); err != nil {
			return "", err
		}
	}
	encoded, err := json.Marshal(recipe)
	if err != nil {
		return "", fmt.Errorf("encode the image recipe: %w", err)
	}
	sum := sha256.Sum256(encoded)
	return fmt.Sprintf("%s:%s-%s", Repository, Version, hex.EncodeToString(sum[:6])), nil
}

// BootstrapCommand is the command that makes the image's root as a tar file,
// given where the server binaries are and where [WriteScripts] has put the scripts.
func BootstrapCommand(scriptDir, serverDir, tarFile string) (args, env []string) {
	// /run keeps the folder of the server's socket.
	args = []string{"mmdebstrap", "--quiet", "--mode=root", "--variant=essential", "--skip=cleanup/run"}
	for _, path := range excluded {
		args = append(args, "--dpkgopt=path-exclude="+path)
	}
	for _, name := range packages {
		args = append(args, "--include="+name)
	}
	args = append(args, "--customize-hook="+filepath.Join(scriptDir, "customize.sh"), Suite, tarFile, Mirror)
	return args, []string{"SERVER_DIR=" + serverDir, "SCRIPT_DIR=" + scriptDir}
}

// WriteScripts puts the recipe's scripts into dir.
func WriteScripts(dir string) error {
	entries, err := scripts.ReadDir(".")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		content, err := scripts.ReadFile(entry.Name())
		if err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, entry.Name()), content, 0o755); err != nil {
			return fmt.Errorf("write the image recipe: %w", err)
		}
	}
	return nil
}
