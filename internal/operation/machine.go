package operation

import (
	"context"
	"strconv"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/doctor"
)

// Doctor examines whether this machine can run the stack.
func (o *Operation) Doctor(ctx context.Context) (doctor.Report, error) {
	if err := o.load(); err != nil {
		return nil, err
	}
	return doctor.Examine(ctx, o.needs(o.config.Server.Image)), nil
}

// Setup gets everything that bringing the stack up needs: a Docker Engine on a
// bare Debian, the Pulumi CLI, the plugins, the image.
func (o *Operation) Setup(ctx context.Context) error {
	if err := o.load(); err != nil {
		return err
	}
	_, err := o.prepare(ctx, true)
	return err
}

// checkMachine refuses to begin what could not be finished on this machine.
func (o *Operation) checkMachine(ctx context.Context, found *tools) error {
	return doctor.ExamineEngine(ctx, o.docker, o.needs(found.image)).Err()
}

// needs is what the stack needs of a machine.
func (o *Operation) needs(image string) doctor.Request {
	stack := o.config
	request := doctor.Request{
		Labels:   dockerengine.LabelsOf(stack.Project, stack.Name),
		StandIns: !stack.Storage.Protect || o.StandInsAllowed,
	}
	if stack.Target.Type != config.Container {
		return request
	}
	request.ContainerName, request.Image = stack.Server.Name, image
	request.PublishAddress, request.PublishPort = stack.Network.Publish.Address, stack.Network.Publish.Port
	request.NetworkName, request.Subnet = stack.Network.Name, stack.Network.Subnet
	request.AdminNetworkName, request.AdminSubnet = stack.Network.AdminName, stack.Network.AdminSubnet
	request.StorageKind, request.BindPath = string(stack.Storage.Type), stack.Storage.Path
	request.DataDirectory = config.DataDirectory
	request.Major = strconv.Itoa(stack.Major())
	return request
}
