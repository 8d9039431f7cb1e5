package acquire

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	typesimage "github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/klauspost/compress/zstd"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/standin/image"
)

// answerTimeout bounds how long a registry may take until a pull begins.
const answerTimeout = 30 * time.Second

// PullImage makes sure that an image is there, and asks its registry if it is
// not. Registries that demand a login are not supported: pull such an image
// with the docker command beforehand.
func PullImage(ctx context.Context, engine client.ImageAPIClient, ref string, report Reporter) error {
	if _, there, err := dockerengine.Image(ctx, engine, ref); err != nil || there {
		return err
	}
	report("pulling image %s", ref)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	late := time.AfterFunc(answerTimeout, func() {
		cancel(fmt.Errorf("the registry did not answer within %s", answerTimeout))
	})
	progress, err := engine.ImagePull(ctx, ref, typesimage.PullOptions{})
	late.Stop()
	if err != nil {
		return fmt.Errorf("pull image %s: %w", ref, errors.Join(err, context.Cause(ctx)))
	}
	defer progress.Close()
	if err := followImage(progress, report); err != nil {
		return fmt.Errorf("pull image %s: %w", ref, err)
	}
	return nil
}

// StandInRef names the stand-in image of this version of the program.
func StandInRef() (string, error) {
	return image.Ref(EmbeddedPostgresVersion)
}

// StandInImage makes sure that the stand-in image is in the engine and returns
// its name. What is built is kept in the cache, so that another engine, or one
// whose images were pruned, gets it without another build.
func StandInImage(ctx context.Context, engine client.APIClient, report Reporter) (string, error) {
	ref, err := StandInRef()
	if err != nil {
		return "", err
	}
	if _, there, err := dockerengine.Image(ctx, engine, ref); err != nil || there {
		return ref, err
	}
	architecture, err := engineArchitecture(ctx, engine)
	if err != nil {
		return "", err
	}
	archive, err := cached(ctx, archiveName(ref, architecture), func(tmp string) error {
		return buildStandIn(ctx, ref, architecture, tmp, report)
	})
	if err != nil {
		return "", fmt.Errorf("build the stand-in image %s: %w", ref, err)
	}
	report("loading the stand-in image %s", ref)
	if err := loadImage(ctx, engine, archive); err != nil {
		return "", fmt.Errorf("load the stand-in image %s from %s: %w", ref, archive, err)
	}
	return ref, nil
}

// CanStandInImage tells whether the stand-in image can be had; ready if without
// building it. The error says why not.
func CanStandInImage(ctx context.Context, engine client.APIClient) (ready bool, err error) {
	ref, err := StandInRef()
	if err != nil {
		return false, err
	}
	if _, there, err := dockerengine.Image(ctx, engine, ref); err != nil || there {
		return there, err
	}
	architecture, err := engineArchitecture(ctx, engine)
	if err != nil {
		return false, err
	}
	dir, err := CacheDir()
	if err != nil {
		return false, err
	}
	if there, err := exists(filepath.Join(dir, archiveName(ref, architecture))); err != nil || there {
		return there, err
	}
	return false, canBootstrap(architecture)
}

// archiveName is that of the image in the cache.
func archiveName(ref, architecture string) string {
	return strings.ReplaceAll(ref, ":", "-") + "-" + architecture + ".tar.zst"
}

// engineArchitecture returns the engine's architecture as Go spells it.
func engineArchitecture(ctx context.Context, engine client.APIClient) (string, error) {
	version, err := engine.ServerVersion(ctx)
	if err != nil {
		return "", fmt.Errorf("ask the Docker Engine for its architecture: %w", err)
	}
	return version.Arch, nil
}

// buildStandIn makes the image's root from packages and writes the image archive.
func buildStandIn(ctx context.Context, ref, architecture, archive string, report Reporter) (err error) {
	if err := canBootstrap(architecture); err != nil {
		return err
	}
	if err := needs(ctx, report, "building the stand-in image", program{"mmdebstrap", "mmdebstrap"}); err != nil {
		return err
	}
	server, err := EmbeddedPostgres(ctx, EmbeddedPostgresVersion, report)
	if err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "wcrdb-image-*")
	if err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	if err := image.WriteScripts(work); err != nil {
		return err
	}
	report("building the stand-in image %s from Debian packages; that takes about a minute", ref)
	root := filepath.Join(work, "root.tar")
	args, env := image.BootstrapCommand(work, server, root)
	if err := run(ctx, command{dir: work, env: env, args: args}); err != nil {
		return err
	}
	return compress(archive, func(out io.Writer) error {
		return image.WriteArchive(out, root, ref, architecture)
	})
}

// canBootstrap tells why this machine cannot make a Debian root, if so.
func canBootstrap(architecture string) error {
	const remedy = "use a machine that reaches the image's registry, or `docker load` an image archive made elsewhere"
	switch {
	case runtime.GOOS != "linux":
		return fmt.Errorf("that needs Linux, this is %s; %s", runtime.GOOS, remedy)
	case os.Geteuid() != 0:
		return fmt.Errorf("that needs root, since it makes a Debian root with mmdebstrap; run this command once with sudo, or %s", remedy)
	case runtime.GOARCH != architecture:
		return fmt.Errorf("the Docker Engine runs on %s, this machine on %s; %s", architecture, runtime.GOARCH, remedy)
	}
	return nil
}

// compress writes a file through zstd.
func compress(path string, write func(io.Writer) error) (err error) {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	out, err := zstd.NewWriter(file, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		return err
	}
	return errors.Join(write(out), out.Close())
}

// loadImage gives an image archive to the engine.
func loadImage(ctx context.Context, engine client.ImageAPIClient, archive string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	content, err := zstd.NewReader(bufio.NewReader(file))
	if err != nil {
		return err
	}
	defer content.Close()
	response, err := engine.ImageLoad(ctx, content, client.ImageLoadWithQuiet(true))
	if err != nil {
		return err
	}
	defer response.Body.Close()
	return followImage(response.Body, func(string, ...any) {})
}

// followImage reads what the engine says about an image that it pulls or loads,
// reports what became of each layer, and returns the failure if it says so.
func followImage(progress io.Reader, report Reporter) error {
	for decoder := json.NewDecoder(progress); ; {
		var message struct{ ID, Status, Error string }
		err := decoder.Decode(&message)
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the Docker Engine's progress: %w", err)
		case message.Error != "":
			return errors.New(message.Error)
		case message.Status == "Pull complete":
			report("layer %s is there", message.ID)
		}
	}
}
