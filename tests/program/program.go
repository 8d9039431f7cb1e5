// Package program runs the Pulumi program without an engine and records what
// it registers.
package program

import (
	"cmp"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/components/database"
	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/agent"
)

// Project is the project's name in Pulumi.yaml.
const Project = "witchcityrope-database"

// RootSecret is the canary that no record may show.
const RootSecret = "canary-root-secret-never-to-be-seen-anywhere"

// PrivateKey is the end of every private key that is made, another canary.
const PrivateKey = "-canary-private-key"

// Run is one run of the program.
type Run struct {
	Stack  string
	Values map[string]string // configuration by key, without the project's name
	Secret map[string]string // encrypted configuration
	DryRun bool
	Dir    string
}

// Registration is one resource as the program registered it, with its inputs
// as the engine receives them: secrets still marked.
type Registration struct {
	Request *pulumirpc.RegisterResourceRequest
	Inputs  resource.PropertyMap
}

// StackValues reads a committed stack file.
func StackValues(t *testing.T, stack string) map[string]string {
	t.Helper()
	values, err := config.ReadFile(filepath.Join("..", "Pulumi."+stack+".yaml"), Project)
	require.NoError(t, err)
	return values
}

// Do runs the program and returns what it registered, in the order of names and types.
func (r Run) Do() ([]Registration, error) {
	recorder := &recorder{}
	values := map[string]string{}
	for key, value := range r.Values {
		values[Project+":"+key] = value
	}
	var secretKeys []string
	for key, value := range r.Secret {
		values[Project+":"+key] = value
		secretKeys = append(secretKeys, Project+":"+key)
	}
	options := database.Options{
		ProjectDir: r.Dir, ConfigKeys: slices.Collect(maps.Keys(r.Values)),
		Agent: &agent.Binary{Path: "/project/.wcrdb/agent/0/wcrdb-backup", Version: "0"},
	}
	err := pulumi.RunErr(database.Program(options), pulumi.WithMocks(Project, r.Stack, recorder), func(info *pulumi.RunInfo) {
		info.Config, info.ConfigSecretKeys, info.DryRun = values, secretKeys, r.DryRun
	})
	slices.SortFunc(recorder.registrations, func(a, b Registration) int {
		return cmp.Or(cmp.Compare(a.Request.GetName(), b.Request.GetName()), cmp.Compare(a.Request.GetType(), b.Request.GetType()))
	})
	return recorder.registrations, err
}

// recorder answers every registration with its own inputs.
type recorder struct {
	mutex         sync.Mutex
	registrations []Registration
}

func (r *recorder) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	inputs, err := plugin.UnmarshalProperties(args.RegisterRPC.GetObject(), plugin.MarshalOptions{KeepSecrets: true, KeepUnknowns: true})
	if err != nil {
		return "", nil, err
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.registrations = append(r.registrations, Registration{Request: args.RegisterRPC, Inputs: inputs})
	outputs := args.Inputs.Copy()
	for _, output := range []string{"privateKeyPem", "certPem", "certRequestPem"} {
		outputs[resource.PropertyKey(output)] = resource.NewProperty(args.Name + "." + output)
	}
	if args.TypeToken == "tls:index/privateKey:PrivateKey" {
		outputs["privateKeyPem"] = resource.MakeSecret(resource.NewProperty(args.Name + PrivateKey))
	}
	return args.Name + "-id", outputs, nil
}

func (r *recorder) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return args.Args, nil
}
