package docker

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/dockerengine"
)

// Container is a Docker container.
type Container struct{ engine *engine }

// Annotate gives the published token.
func (c *Container) Annotate(a infer.Annotator) { a.SetToken("index/container", "Container") }

// Check refuses the inputs whose effect the stand-in does not have.
func (c *Container) Check(
	ctx context.Context, req infer.CheckRequest,
) (infer.CheckResponse[ContainerArgs], error) {
	args, failures, err := infer.DefaultCheck[ContainerArgs](ctx, req.NewInputs)
	refuse := func(property, remedy string) {
		failures = append(failures, p.CheckFailure{
			Property: property,
			Reason:   "the stand-in for the docker plugin cannot do this: " + remedy + ", or install the published plugin",
		})
	}
	if value(args.Wait) {
		refuse("wait", "leave wait off")
	}
	if mustRun := req.NewInputs.Get("mustRun"); !mustRun.IsComputed() && or(args.MustRun, true) {
		refuse("mustRun", "set mustRun to false")
	}
	return infer.CheckResponse[ContainerArgs]{Inputs: args, Failures: failures}, err
}

// Create creates the container, connects it to its networks and starts it. What cannot be started does not stay.
func (c *Container) Create(
	ctx context.Context, req infer.CreateRequest[ContainerArgs],
) (infer.CreateResponse[ContainerState], error) {
	state := ContainerState{ContainerArgs: req.Inputs}
	if state.Name == nil {
		state.Name = &req.Name
	}
	if req.DryRun {
		return infer.CreateResponse[ContainerState]{Output: state}, nil
	}
	engine, err := c.engine.connect(ctx)
	if err != nil {
		return infer.CreateResponse[ContainerState]{}, err
	}
	id, err := create(ctx, engine, state.ContainerArgs)
	if err != nil {
		return infer.CreateResponse[ContainerState]{}, fmt.Errorf("creating the container %s: %w", *state.Name, err)
	}
	if err := launch(ctx, engine, id, state.ContainerArgs); err != nil {
		err = fmt.Errorf("starting the container %s: %w", *state.Name, err)
		return infer.CreateResponse[ContainerState]{}, errors.Join(err, remove(context.WithoutCancel(ctx), engine, id, true))
	}
	found, _, err := dockerengine.Container(ctx, engine, id)
	if err != nil {
		return infer.CreateResponse[ContainerState]{}, err
	}
	state.observe(found)
	return infer.CreateResponse[ContainerState]{ID: id, Output: state}, nil
}

func create(ctx context.Context, engine client.ContainerAPIClient, args ContainerArgs) (id string, err error) {
	config, err := args.config()
	if err != nil {
		return "", err
	}
	hostConfig, err := args.hostConfig()
	if err != nil {
		return "", err
	}
	created, err := engine.ContainerCreate(ctx, config, hostConfig, nil, nil, *args.Name)
	return created.ID, err
}

// launch swaps the default network for those that are wanted before the container runs.
func launch(ctx context.Context, engine client.APIClient, id string, args ContainerArgs) error {
	if len(args.NetworksAdvanced) > 0 {
		mode := or(args.NetworkMode, defaultNetworkMode)
		err := engine.NetworkDisconnect(ctx, mode, id, false)
		if err != nil && !strings.Contains(err.Error(), "is not connected to") {
			return fmt.Errorf("leaving the network %s: %w", mode, err)
		}
	}
	for _, n := range args.NetworksAdvanced {
		if err := engine.NetworkConnect(ctx, n.Name, id, n.endpoint()); err != nil {
			return fmt.Errorf("joining the network %s: %w", n.Name, err)
		}
	}
	for _, file := range args.Uploads {
		if err := file.put(ctx, engine, id); err != nil {
			return fmt.Errorf("uploading %s: %w", file.File, err)
		}
	}
	return engine.ContainerStart(ctx, id, container.StartOptions{})
}

// Update changes what a running container can have changed, and takes over the rest.
func (c *Container) Update(
	ctx context.Context, req infer.UpdateRequest[ContainerArgs, ContainerState],
) (infer.UpdateResponse[ContainerState], error) {
	before := req.State.ContainerArgs
	req.State.ContainerArgs = req.Inputs
	response := infer.UpdateResponse[ContainerState]{Output: req.State}
	if req.DryRun {
		return response, nil
	}
	wanted := container.UpdateConfig{Resources: req.Inputs.adjustable(), RestartPolicy: req.Inputs.restartPolicy()}
	if sameLimits(wanted, container.UpdateConfig{Resources: before.adjustable(), RestartPolicy: before.restartPolicy()}) {
		return response, nil
	}
	engine, err := c.engine.connect(ctx)
	if err != nil {
		return response, err
	}
	if _, err := engine.ContainerUpdate(ctx, req.ID, wanted); err != nil {
		return response, fmt.Errorf("changing the limits of the container %s: %w", value(req.Inputs.Name), err)
	}
	return response, nil
}

func sameLimits(a, b container.UpdateConfig) bool {
	return a.RestartPolicy == b.RestartPolicy && a.Memory == b.Memory && a.MemorySwap == b.MemorySwap &&
		a.MemoryReservation == b.MemoryReservation && a.CPUShares == b.CPUShares && a.CpusetCpus == b.CpusetCpus
}

// Read finds a container that is gone or was changed. A stopped one is still there; its published ports are not.
func (c *Container) Read(
	ctx context.Context, req infer.ReadRequest[ContainerArgs, ContainerState],
) (infer.ReadResponse[ContainerArgs, ContainerState], error) {
	engine, err := c.engine.connect(ctx)
	if err != nil {
		return infer.ReadResponse[ContainerArgs, ContainerState]{}, err
	}
	found, present, err := dockerengine.Container(ctx, engine, req.ID)
	if err != nil || !present {
		return infer.ReadResponse[ContainerArgs, ContainerState]{}, err
	}
	req.Inputs.observe(found)
	req.State.ContainerArgs = req.Inputs
	req.State.observe(found)
	return infer.ReadResponse[ContainerArgs, ContainerState]{ID: found.ID, Inputs: req.Inputs, State: req.State}, nil
}

// Delete stops the container, with the time to stop that it was promised, and removes it.
func (c *Container) Delete(ctx context.Context, req infer.DeleteRequest[ContainerState]) (infer.DeleteResponse, error) {
	engine, err := c.engine.connect(ctx)
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	grace := value(req.State.DestroyGraceSeconds)
	err = engine.ContainerStop(ctx, req.ID, container.StopOptions{Timeout: &grace})
	if errdefs.IsNotFound(err) {
		return infer.DeleteResponse{}, nil
	}
	if err == nil {
		err = remove(ctx, engine, req.ID, or(req.State.RemoveVolumes, true))
	}
	if err != nil {
		return infer.DeleteResponse{}, fmt.Errorf("removing the container %s: %w", value(req.State.Name), err)
	}
	return infer.DeleteResponse{}, nil
}

// remove removes a container and waits until it is gone, also when something else is removing it already.
func remove(ctx context.Context, engine client.ContainerAPIClient, id string, volumes bool) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	gone, failed := engine.ContainerWait(ctx, id, container.WaitConditionRemoved)
	err := engine.ContainerRemove(ctx, id, container.RemoveOptions{RemoveVolumes: volumes, Force: true})
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil && !errdefs.IsConflict(err) {
		return err
	}
	select {
	case <-gone:
		return nil
	case err := <-failed:
		if errdefs.IsNotFound(err) {
			return nil
		}
		return err
	}
}
