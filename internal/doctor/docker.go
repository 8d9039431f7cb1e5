package doctor

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/docker/docker/api/types/versions"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/standin/image"
)

const (
	// leastAPI is the API of Docker 20.10.
	leastAPI = "1.41"
	// registryPatience bounds how long a registry may take to answer.
	registryPatience = 10 * time.Second
)

func (e *examination) checkVersion(ctx context.Context) Finding {
	const check = "docker"
	version, err := e.engine.ServerVersion(ctx)
	switch {
	case err != nil:
		return failed(check, err)
	case version.Os != "linux":
		return fault(check, fmt.Sprintf("the Docker Engine at %s runs %s containers", e.engine.DaemonHost(), version.Os),
			"switch it to Linux containers")
	case versions.LessThan(version.APIVersion, leastAPI):
		return fault(check, fmt.Sprintf("Docker Engine %s (API %s) is too old", version.Version, version.APIVersion),
			"upgrade it to 20.10 (API "+leastAPI+") or later")
	}
	return ok(check, "Docker Engine %s (API %s) answers at %s", version.Version, version.APIVersion, e.engine.DaemonHost())
}

func (e *examination) checkContainer(ctx context.Context) Finding {
	const check = "container"
	found, there, err := dockerengine.Container(ctx, e.engine, e.ContainerName)
	switch {
	case err != nil:
		return failed(check, err)
	case !there:
		return ok(check, "the name %s is free", e.ContainerName)
	case found.Config == nil || !e.ours(found.Config.Labels):
		return fault(check, fmt.Sprintf("there is a container %s already, and it does not belong to this stack", e.ContainerName),
			fmt.Sprintf("give it another name (docker rename %s OTHER), remove it, or configure another name for the stack's", e.ContainerName))
	}
	return ok(check, "%s is this stack's container and is %s", e.ContainerName, found.State.Status)
}

func (e *examination) checkImage(ctx context.Context) Finding {
	const check = "image"
	_, there, err := dockerengine.Image(ctx, e.engine, e.Image)
	if err != nil {
		return failed(check, err)
	}
	standIn := strings.HasPrefix(e.Image, image.Repository+":")
	switch {
	case there && standIn:
		return warning(check, "the stand-in image "+e.Image+" is used", "for the official one, make its registry reachable, or `docker load` it")
	case there:
		return ok(check, "%s is there", e.Image)
	case standIn:
		return e.checkStandIn(ctx, "")
	}
	failure, err := acquire.ImageFailure(e.Image)
	if err != nil {
		return failed(check, err)
	}
	if failure != "" {
		return e.checkStandIn(ctx, failure+"; ")
	}
	asking, cancel := context.WithTimeout(ctx, registryPatience)
	defer cancel()
	if _, err := e.engine.DistributionInspect(asking, e.Image, ""); err != nil {
		return e.checkStandIn(ctx, fmt.Sprintf("%s is not there, and its registry does not give it: %v; ", e.Image, err))
	}
	return ok(check, "%s can be pulled", e.Image)
}

// checkStandIn tells whether the stand-in image can be had; why says why it is needed.
func (e *examination) checkStandIn(ctx context.Context, why string) Finding {
	const (
		check  = "image"
		remedy = "make the image's registry reachable, or `docker load` the image"
	)
	if !e.StandIns {
		return fault(check, why+"stand-ins are not allowed for this stack", remedy+", or allow them with --stand-ins")
	}
	ready, err := acquire.CanStandInImage(ctx, e.engine)
	if err != nil {
		return fault(check, why+"the stand-in image cannot be made: "+err.Error(), remedy)
	}
	if !ready {
		return warning(check, why+"the stand-in image will be built from packages", "for the official one, "+remedy)
	}
	return warning(check, why+"the stand-in image will be used", "for the official one, "+remedy)
}
