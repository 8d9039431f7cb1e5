package docker

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"os"
	"strconv"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
)

// put writes the file into a container that does not run yet.
func (u Upload) put(ctx context.Context, engine client.ContainerAPIClient, id string) error {
	content, err := u.bytes()
	if err != nil {
		return err
	}
	mode, err := u.mode()
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	writer := tar.NewWriter(&archive)
	err = writer.WriteHeader(&tar.Header{Name: strings.TrimPrefix(u.File, "/"), Mode: mode, Size: int64(len(content))})
	if err == nil {
		_, err = writer.Write(content)
	}
	if err := errors.Join(err, writer.Close()); err != nil {
		return err
	}
	return engine.CopyToContainer(ctx, id, "/", &archive, container.CopyToContainerOptions{})
}

func (u Upload) bytes() ([]byte, error) {
	switch {
	case u.Source != nil:
		return os.ReadFile(*u.Source)
	case u.ContentBase64 != nil:
		return base64.StdEncoding.DecodeString(*u.ContentBase64)
	default:
		return []byte(value(u.Content)), nil
	}
}

func (u Upload) mode() (int64, error) {
	switch {
	case u.Permissions != nil:
		return strconv.ParseInt(*u.Permissions, 8, 64)
	case value(u.Executable):
		return 0o744, nil
	default:
		return 0o644, nil
	}
}
