package acquire

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/docker/client"

	"github.com/witchcityrope/database/internal/dockerengine"
)

const (
	// daemonStart bounds how long a Docker Engine that was started may take to answer.
	daemonStart = time.Minute
	// daemonPoll is how often it is asked.
	daemonPoll = 100 * time.Millisecond
)

// DockerEngine connects to the Docker Engine that the docker command would use.
// Where none answers at the usual socket of a Debian machine and the user is
// root, Docker Engine is installed from Debian's packages and started; elsewhere
// nothing is touched, and the error says what to do.
func DockerEngine(ctx context.Context, report Reporter) (*client.Client, error) {
	engine, err := dockerengine.Connect(ctx, "")
	if !errors.Is(err, dockerengine.ErrUnreachable) {
		return engine, err
	}
	installs, installsErr := InstallsDocker()
	if installsErr != nil {
		return nil, errors.Join(err, installsErr)
	}
	if !installs {
		return nil, fmt.Errorf("%w; if Docker is not installed: https://docs.docker.com/engine/install/ "+
			"(only on Debian and as root is that done for you)", err)
	}
	if err := installDocker(ctx, report); err != nil {
		return nil, fmt.Errorf("install Docker Engine: %w", err)
	}
	report("starting Docker Engine")
	if err := startDocker(ctx); err != nil {
		return nil, fmt.Errorf("start Docker Engine: %w", err)
	}
	return dockerengine.Connect(ctx, "")
}

// installDocker installs what is missing of the daemon and the docker command,
// which later Debian releases keep in a package of its own.
func installDocker(ctx context.Context, report Reporter) error {
	if len(missing("dockerd")) > 0 {
		// Certificates are for the image registries.
		if err := aptInstall(ctx, report, "docker.io", "ca-certificates"); err != nil {
			return err
		}
	}
	return needs(ctx, report, "looking into containers by hand", program{"docker", "docker-cli"})
}

// engineAnswers tells whether the default engine can be used.
func engineAnswers(ctx context.Context) error {
	engine, err := dockerengine.Connect(ctx, "")
	if err != nil {
		return err
	}
	return engine.Close()
}

// InstallsDocker tells whether [DockerEngine] would install and start a missing
// Docker Engine here.
func InstallsDocker() (bool, error) {
	host, err := dockerengine.DefaultHost()
	if err != nil || host != client.DefaultDockerHost {
		return false, err
	}
	return debianRoot()
}
