// Package doctor examines whether a machine can run a stack: Docker, names,
// ports, networks, storage, images and Pulumi. It changes nothing and prints
// nothing; what it finds is a [Report].
package doctor

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/docker/docker/client"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/dockerengine"
)

// Level is how bad a finding is.
type Level string

// The levels of a finding.
const (
	OK      Level = "ok"
	Warning Level = "warning" // can run, but people should know
	Fault   Level = "fault"   // cannot run
)

// Finding is what one check found out.
type Finding struct {
	Check  string `json:"check"`
	Level  Level  `json:"level"`
	What   string `json:"what"`
	Remedy string `json:"remedy,omitempty"`
}

// Report holds the findings of all checks, in the order in which a person would
// fix them.
type Report []Finding

// Faults returns the findings that keep the stack from running.
func (r Report) Faults() []Finding { return r.at(Fault) }

// Warnings returns the findings that people should know of.
func (r Report) Warnings() []Finding { return r.at(Warning) }

func (r Report) at(level Level) []Finding {
	var found []Finding
	for _, f := range r {
		if f.Level == level {
			found = append(found, f)
		}
	}
	return found
}

// Err returns an error that tells all faults and their remedies, or nil.
func (r Report) Err() error {
	var faults []error
	for _, f := range r.Faults() {
		faults = append(faults, fmt.Errorf("%s: %s; %s", f.Check, f.What, f.Remedy))
	}
	return errors.Join(faults...)
}

// Storage kinds of a [Request].
const (
	StorageVolume = "volume"
	StorageBind   = "bind"
	StorageTmpfs  = "tmpfs"
)

// DefaultMinimumFree is how much free disk space is asked for if a request does
// not say: room for a young database and its write-ahead log.
const DefaultMinimumFree = 2 << 30

// Request says what a stack needs of a machine.
type Request struct {
	// DockerHost is the Docker Engine; empty means the one that the docker
	// command would use.
	DockerHost string
	// Labels are on everything in Docker that belongs to the stack.
	Labels dockerengine.Labels
	// ContainerName is that of the database server. If it is empty, the server
	// is not ours to run, and only Pulumi is examined.
	ContainerName string
	// Image is the reference of the server's image.
	Image string
	// Major is the major version of the server in the image, e.g. "16".
	Major string
	// StandIns tells whether stand-ins may serve where the published image or
	// plugins cannot be had.
	StandIns bool
	// PublishAddress and PublishPort are where the server is published on the
	// host; port 0 means nowhere.
	PublishAddress string
	PublishPort    int
	// NetworkName and Subnet are those of the database network.
	NetworkName string
	Subnet      string
	// AdminNetworkName and AdminSubnet are those of the published port's network.
	AdminNetworkName string
	AdminSubnet      string
	// StorageKind is volume, bind or tmpfs; BindPath is the folder of bind.
	StorageKind string
	BindPath    string
	// DataDirectory is where below BindPath the cluster is; empty means BindPath itself.
	DataDirectory string
	// MinimumFree is the disk space in bytes below which the stack is not
	// started; zero means DefaultMinimumFree.
	MinimumFree uint64
}

// Examine runs all checks.
func Examine(ctx context.Context, request Request) Report {
	var report Report
	if request.ContainerName != "" {
		report = examineDocker(ctx, request)
	}
	return append(report, checkPulumi(ctx, request.StandIns)...)
}

func examineDocker(ctx context.Context, request Request) Report {
	engine, err := dockerengine.Connect(ctx, request.DockerHost)
	if err != nil {
		return Report{unreachable(err)}
	}
	report := ExamineEngine(ctx, engine, request)
	if err := engine.Close(); err != nil {
		report = append(report, failed("docker", err))
	}
	return report
}

// unreachable is the finding for an engine that does not answer.
func unreachable(cause error) Finding {
	installs, err := acquire.InstallsDocker()
	if err != nil {
		return failed("docker", errors.Join(cause, err))
	}
	if installs {
		return warning("docker", "no Docker Engine answers", "nothing to do: `up` installs Docker Engine from Debian's packages and starts it")
	}
	return fault("docker", cause.Error(), "start Docker, or install it: https://docs.docker.com/engine/install/")
}

// ExamineEngine runs those checks that concern a Docker Engine; none if the
// request names no container.
func ExamineEngine(ctx context.Context, engine client.APIClient, request Request) Report {
	if request.ContainerName == "" {
		return nil
	}
	e := examination{Request: request, engine: engine, local: isLocal(engine.DaemonHost()), hosts: hostPrefixes}
	return Report{
		e.checkVersion(ctx),
		e.checkContainer(ctx),
		e.checkPort(ctx),
		e.checkSubnet(ctx),
		e.checkAdminSubnet(ctx),
		e.checkStorage(ctx),
		e.checkDisk(ctx),
		e.checkImage(ctx),
	}
}

// examination is a request and the engine that it is examined on.
type examination struct {
	Request
	engine client.APIClient
	local  bool // whether the engine's host is this machine
	hosts  func() ([]hostPrefix, error)
}

func isLocal(daemonHost string) bool {
	return strings.HasPrefix(daemonHost, "unix://") || strings.HasPrefix(daemonHost, "npipe://")
}

// ours tells whether labels are those of the stack.
func (e *examination) ours(labels map[string]string) bool {
	return len(e.Labels) > 0 && e.Labels.Missing(labels) == ""
}

func ok(check, what string, args ...any) Finding {
	return Finding{Check: check, Level: OK, What: fmt.Sprintf(what, args...)}
}

func warning(check, what, remedy string) Finding {
	return Finding{Check: check, Level: Warning, What: what, Remedy: remedy}
}

func fault(check, what, remedy string) Finding {
	return Finding{Check: check, Level: Fault, What: what, Remedy: remedy}
}

// failed is the finding of a check that could not be made.
func failed(check string, err error) Finding {
	return fault(check, "this could not be examined: "+err.Error(), "put that right and try again")
}
