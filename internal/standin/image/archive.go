package image

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"
)

// WriteArchive wraps a root into the archive format that `docker load` reads,
// as an image of one layer. (`docker import` of Docker 20.10 cannot set the
// stop signal.)
func WriteArchive(out io.Writer, rootTar, ref, architecture string) error {
	root, err := os.Open(rootTar)
	if err != nil {
		return fmt.Errorf("read the image's root: %w", err)
	}
	defer root.Close()
	digest := sha256.New()
	size, err := io.Copy(digest, root)
	if err != nil {
		return fmt.Errorf("read the image's root: %w", err)
	}
	if _, err := root.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("read the image's root: %w", err)
	}

	config, err := json.Marshal(imageConfig(hex.EncodeToString(digest.Sum(nil)), architecture))
	if err != nil {
		return fmt.Errorf("encode the image's configuration: %w", err)
	}
	sum := sha256.Sum256(config)
	configName := hex.EncodeToString(sum[:]) + ".json"
	manifest, err := json.Marshal([]map[string]any{{
		"Config": configName, "RepoTags": []string{ref}, "Layers": []string{"layer.tar"},
	}})
	if err != nil {
		return fmt.Errorf("encode the image's manifest: %w", err)
	}

	archive := tar.NewWriter(out)
	for _, member := range []struct {
		name    string
		size    int64
		content io.Reader
	}{
		{configName, int64(len(config)), bytes.NewReader(config)},
		{"layer.tar", size, root},
		{"manifest.json", int64(len(manifest)), bytes.NewReader(manifest)},
	} {
		header := &tar.Header{Name: member.name, Mode: 0o644, Size: member.size}
		if err := archive.WriteHeader(header); err != nil {
			return fmt.Errorf("write the image archive: %w", err)
		}
		if _, err := io.Copy(archive, member.content); err != nil {
			return fmt.Errorf("write the image archive: %w", err)
		}
	}
	if err := archive.Close(); err != nil {
		return fmt.Errorf("write the image archive: %w", err)
	}
	return nil
}

func imageConfig(layerDigest, architecture string) map[string]any {
	now := time.Now().UTC().Format(time.RFC3339)
	return map[string]any{
		"architecture": architecture,
		"os":           "linux",
		"created":      now,
		"config":       DefaultConfig(),
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{"sha256:" + layerDigest}},
		"history": []map[string]string{{
			"created": now, "created_by": "wcrdb", "comment": "stand-in for the official PostgreSQL image",
		}},
	}
}
