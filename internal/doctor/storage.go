package doctor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/docker/go-units"
)

func (e *examination) checkStorage(context.Context) Finding {
	const check = "storage"
	switch e.StorageKind {
	case StorageVolume:
		return ok(check, "data is kept in a Docker volume")
	case StorageTmpfs:
		return ok(check, "data is kept in memory and is gone with the container")
	case StorageBind:
	default:
		return fault(check, fmt.Sprintf("storage %q is not known", e.StorageKind), "configure volume, bind or tmpfs")
	}
	if !e.local {
		return warning(check, fmt.Sprintf("%s is on the Docker Engine's host and cannot be examined from here", e.BindPath),
			"make sure that the folder is there")
	}
	return e.checkFolder()
}

// checkFolder examines the folder of bind storage.
func (e *examination) checkFolder() Finding {
	const check = "storage"
	info, err := os.Stat(e.BindPath)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault(check, "the folder "+e.BindPath+" does not exist", "make it: mkdir -p "+e.BindPath)
	case err != nil:
		return failed(check, err)
	case !info.IsDir():
		return fault(check, e.BindPath+" is not a folder", "move it away and make a folder: mkdir -p "+e.BindPath)
	case !writable(e.BindPath):
		return fault(check, "the file system of "+e.BindPath+" is read-only", "mount it writable, or configure another folder")
	}
	if _, err := os.Stat(filepath.Join(e.BindPath, versionFile)); e.DataDirectory != "" && err == nil {
		return fault(check, fmt.Sprintf("%s itself is a PostgreSQL data directory; the stack's would be %s in it", e.BindPath, e.DataDirectory),
			fmt.Sprintf("move its content into %s (while no server runs on it), or configure another folder", filepath.Join(e.BindPath, e.DataDirectory)))
	}
	return e.checkDataDirectory(filepath.Join(e.BindPath, e.DataDirectory))
}

// versionFile is in every data directory (manual, section 73.1).
const versionFile = "PG_VERSION"

// checkDataDirectory examines where a cluster is, or will be made.
func (e *examination) checkDataDirectory(path string) Finding {
	const check = "storage"
	entries, err := os.ReadDir(path)
	switch {
	case errors.Is(err, fs.ErrPermission):
		return ok(check, "%s is there; this user may not look into it, as it should be for a database", path)
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return failed(check, err)
	case len(entries) == 0:
		return ok(check, "%s is ready for a new cluster", path)
	}
	major, err := os.ReadFile(filepath.Join(path, versionFile))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fault(check, fmt.Sprintf("%s is neither empty nor a PostgreSQL data directory; it holds %s", path, entries[0].Name()),
			"empty it, or configure another folder")
	case err != nil:
		return failed(check, err)
	}
	if have := strings.TrimSpace(string(major)); e.Major != "" && have != e.Major {
		return fault(check, fmt.Sprintf("%s holds data of PostgreSQL %s, the stack runs %s", path, have, e.Major),
			"dump it with the old version and restore it into an empty folder, or run pg_upgrade")
	}
	return ok(check, "%s holds a PostgreSQL %s data directory", path, strings.TrimSpace(string(major)))
}

func (e *examination) checkDisk(ctx context.Context) Finding {
	const check = "disk"
	if e.StorageKind == StorageTmpfs {
		return ok(check, "none is needed for data in memory")
	}
	path, err := e.dataPath(ctx)
	if err != nil {
		return failed(check, err)
	}
	if path == "" {
		return ok(check, "the Docker Engine's disk is not this machine's and cannot be examined from here")
	}
	free, err := freeSpace(path)
	if err != nil {
		return failed(check, fmt.Errorf("free space of %s: %w", path, err))
	}
	least := e.MinimumFree
	if least == 0 {
		least = DefaultMinimumFree
	}
	what := fmt.Sprintf("%s free at %s", units.BytesSize(float64(free)), path)
	remedy := fmt.Sprintf("make room there (at least %s); docker system df shows what Docker holds", units.BytesSize(float64(least)))
	switch {
	case free < least:
		return fault(check, "only "+what, remedy)
	case free < 2*least:
		return warning(check, "only "+what, remedy)
	}
	return ok(check, "%s", what)
}

// dataPath returns a folder on the disk that will hold the data, or nothing if
// that disk is out of sight.
func (e *examination) dataPath(ctx context.Context) (string, error) {
	if !e.local {
		return "", nil
	}
	path := e.BindPath
	if e.StorageKind != StorageBind {
		if runtime.GOOS != "linux" {
			return "", nil // The engine is in a virtual machine.
		}
		info, err := e.engine.Info(ctx)
		if err != nil {
			return "", err
		}
		path = info.DockerRootDir
	}
	return nearest(path), nil
}

// nearest returns the path or the closest folder above it that this user can see.
func nearest(path string) string {
	for {
		if _, err := os.Stat(path); err == nil {
			return path
		}
		parent := filepath.Dir(path)
		if parent == path {
			return path
		}
		path = parent
	}
}
