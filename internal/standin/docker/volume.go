package docker

import (
	"context"
	"fmt"
	"maps"

	"github.com/docker/docker/api/types/volume"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/dockerengine"
)

const defaultVolumeDriver = "local"

// Volume is a named Docker volume.
type Volume struct{ engine *engine }

// VolumeArgs are the inputs of a Volume.
type VolumeArgs struct {
	Name       *string           `pulumi:"name,optional"`
	Driver     *string           `pulumi:"driver,optional"`
	DriverOpts map[string]string `pulumi:"driverOpts,optional"`
	Labels     []Label           `pulumi:"labels,optional"`
}

// VolumeState is a Volume as it is kept.
type VolumeState struct {
	VolumeArgs
	Mountpoint string `pulumi:"mountpoint"`
}

// Annotate gives the published token.
func (v *Volume) Annotate(a infer.Annotator) { a.SetToken("index/volume", "Volume") }

// Create makes the volume; the engine gives back one that exists with the same name.
func (v *Volume) Create(
	ctx context.Context, req infer.CreateRequest[VolumeArgs],
) (infer.CreateResponse[VolumeState], error) {
	state := VolumeState{VolumeArgs: req.Inputs}
	if state.Name == nil {
		state.Name = &req.Name
	}
	if req.DryRun {
		return infer.CreateResponse[VolumeState]{Output: state}, nil
	}
	engine, err := v.engine.connect(ctx)
	if err != nil {
		return infer.CreateResponse[VolumeState]{}, err
	}
	created, err := engine.VolumeCreate(ctx, volume.CreateOptions{
		Name: *state.Name, Driver: or(state.Driver, defaultVolumeDriver),
		DriverOpts: state.DriverOpts, Labels: labelMap(state.Labels),
	})
	if err != nil {
		return infer.CreateResponse[VolumeState]{}, fmt.Errorf("creating the volume %s: %w", *state.Name, err)
	}
	state.Mountpoint = created.Mountpoint
	return infer.CreateResponse[VolumeState]{ID: created.Name, Output: state}, nil
}

// Read finds a deleted volume and one that was made anew with other properties.
func (v *Volume) Read(
	ctx context.Context, req infer.ReadRequest[VolumeArgs, VolumeState],
) (infer.ReadResponse[VolumeArgs, VolumeState], error) {
	engine, err := v.engine.connect(ctx)
	if err != nil {
		return infer.ReadResponse[VolumeArgs, VolumeState]{}, err
	}
	found, present, err := dockerengine.Volume(ctx, engine, req.ID)
	if err != nil || !present {
		return infer.ReadResponse[VolumeArgs, VolumeState]{}, err
	}
	req.Inputs.observe(found)
	return infer.ReadResponse[VolumeArgs, VolumeState]{
		ID: found.Name, Inputs: req.Inputs, State: VolumeState{VolumeArgs: req.Inputs, Mountpoint: found.Mountpoint},
	}, nil
}

func (a *VolumeArgs) observe(found volume.Volume) {
	imported := a.Name == nil
	adopt(&a.Name, found.Name, imported)
	adopt(&a.Driver, found.Driver, imported)
	if !maps.Equal(a.DriverOpts, found.Options) {
		a.DriverOpts = found.Options
	}
	if !maps.Equal(labelMap(a.Labels), found.Labels) {
		a.Labels = labelList(found.Labels)
	}
}

// Delete removes the volume and what is in it, as soon as no container uses it.
func (v *Volume) Delete(ctx context.Context, req infer.DeleteRequest[VolumeState]) (infer.DeleteResponse, error) {
	engine, err := v.engine.connect(ctx)
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	// Forced removal does not mind a volume that is gone already.
	err = released(ctx, "volume is in use", func() error { return engine.VolumeRemove(ctx, req.ID, true) })
	if err != nil {
		return infer.DeleteResponse{}, fmt.Errorf("removing the volume %s: %w", req.ID, err)
	}
	return infer.DeleteResponse{}, nil
}
