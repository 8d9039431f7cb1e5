package standin_test

import (
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"
	"github.com/pulumi/pulumi-docker/sdk/v4/go/docker"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/auto"
	"github.com/pulumi/pulumi/sdk/v3/go/auto/optrefresh"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/attach"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
	"github.com/witchcityrope/database/internal/standin"
)

const passphrase = "a passphrase of this test"

// publishedPlugins names a folder of published plugins, which are then used instead: the same assertions must hold.
const publishedPlugins = "WCRDB_TEST_PUBLISHED_PLUGINS"

func published() bool { return os.Getenv(publishedPlugins) != "" }

// engine finds the pulumi executable that wcrdb would use.
func engine(t *testing.T) auto.PulumiCommand {
	t.Helper()
	found, err := acquire.FindCLI(t.Context())
	require.NoError(t, err)
	if found.Path == "" {
		t.Skip("NOT RUN: this test drives the real Pulumi engine; `wcrdb setup` gets it")
	}
	bin := filepath.Join(t.TempDir(), "bin")
	require.NoError(t, os.Mkdir(bin, 0o755))
	require.NoError(t, os.Symlink(found.Path, filepath.Join(bin, "pulumi")))
	command, err := auto.NewPulumiCommand(&auto.PulumiCommandOptions{Root: filepath.Dir(bin)})
	require.NoError(t, err)
	return command
}

// stack makes a stack of the real Pulumi engine, with the stand-ins attached, kept in a folder of the test.
func stack(t *testing.T, program pulumi.RunFunc) (_ auto.Stack, backend string) {
	t.Helper()
	command := engine(t)
	environment := map[string]string{
		"PULUMI_HOME":                                 t.TempDir(),
		"PULUMI_CONFIG_PASSPHRASE":                    passphrase,
		"PULUMI_SKIP_UPDATE_CHECK":                    "true",
		"PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
	}
	if published() {
		t.Logf("with the published plugins in %s instead of the stand-ins", os.Getenv(publishedPlugins))
		require.NoError(t, os.Symlink(os.Getenv(publishedPlugins), filepath.Join(environment["PULUMI_HOME"], "plugins")))
	} else {
		environment[attach.Variable] = attached(t)
	}
	backend = t.TempDir()
	environment["PULUMI_BACKEND_URL"] = "file://" + backend
	made, err := auto.UpsertStackInlineSource(t.Context(), "test", "standin", program,
		auto.Pulumi(command), auto.WorkDir(t.TempDir()), auto.EnvVars(environment))
	require.NoError(t, err)
	t.Cleanup(func() {
		_, err := made.Destroy(context.Background())
		require.NoError(t, err)
	})
	return made, backend
}

// attached serves the stand-ins until the test ends.
func attached(t *testing.T) string {
	t.Helper()
	providers, err := standin.Providers()
	require.NoError(t, err)
	attachment, err := attach.Serve(context.Background(), providers)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, attachment.Close()) })
	value, detach, err := attachment.Attach(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, detach()) })
	return value
}

// unreadable asserts that none of the secrets is readable in what the engine stored.
func unreadable(t *testing.T, backend string, secrets ...string) {
	t.Helper()
	require.NoError(t, filepath.WalkDir(backend, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		for _, secret := range secrets {
			assert.False(t, bytes.Contains(content, []byte(secret)), "%s shows %q", path, secret)
		}
		return err
	}))
}

// settled asserts that neither a preview nor a refresh finds anything to do.
func settled(t *testing.T, s auto.Stack) {
	t.Helper()
	unchanged(t, s)
	refreshed, err := s.Refresh(t.Context(), optrefresh.Diff())
	require.NoError(t, err)
	assert.Equal(t, []string{"same"}, keys(*refreshed.Summary.ResourceChanges), refreshed.StdOut)
}

// unchanged asserts that a preview finds nothing to do.
func unchanged(t *testing.T, s auto.Stack) {
	t.Helper()
	preview, err := s.Preview(t.Context())
	require.NoError(t, err)
	assert.Equal(t, []apitype.OpType{apitype.OpSame}, keys(preview.ChangeSummary), preview.StdOut)
}

func keys[K comparable](counts map[K]int) (result []K) {
	for kind, count := range counts {
		if count > 0 {
			result = append(result, kind)
		}
	}
	return result
}

type machine struct {
	name, image string
	port        int
	memory      int
}

// server registers every Docker and TLS resource type, wired as a database server would be.
func (m *machine) server(ctx *pulumi.Context) error {
	engine, err := docker.NewProvider(ctx, "docker", &docker.ProviderArgs{})
	if err != nil {
		return err
	}
	with := pulumi.Provider(engine)
	image, err := docker.NewRemoteImage(ctx, "image", &docker.RemoteImageArgs{
		Name: pulumi.String(m.image), KeepLocally: pulumi.Bool(true),
	}, with)
	if err != nil {
		return err
	}
	inside, err := docker.NewNetwork(ctx, "inside", &docker.NetworkArgs{
		Name: pulumi.String(m.name + "-inside"), Driver: pulumi.String("bridge"), Internal: pulumi.Bool(true),
		Labels: docker.NetworkLabelArray{docker.NetworkLabelArgs{Label: pulumi.String("wcrdb.test"), Value: pulumi.String(m.name)}},
	}, with)
	if err != nil {
		return err
	}
	admin, err := docker.NewNetwork(ctx, "admin", &docker.NetworkArgs{
		Name:    pulumi.String(m.name + "-admin"),
		Options: pulumi.StringMap{"com.docker.network.bridge.enable_ip_masquerade": pulumi.String("false")},
	}, with)
	if err != nil {
		return err
	}
	volume, err := docker.NewVolume(ctx, "data", &docker.VolumeArgs{
		Name: pulumi.String(m.name), Labels: docker.VolumeLabelArray{
			docker.VolumeLabelArgs{Label: pulumi.String("wcrdb.test"), Value: pulumi.String(m.name)},
		},
	}, with)
	if err != nil {
		return err
	}
	server, err := docker.NewContainer(ctx, "server", &docker.ContainerArgs{
		Name: pulumi.String(m.name), Image: image.ImageId, Hostname: pulumi.String("db"),
		Command: pulumi.StringArray{pulumi.String("ignored")},
		Envs:    pulumi.ToSecret(pulumi.StringArray{pulumi.String("PASSWORD=very secret")}).(pulumi.StringArrayOutput),
		Restart: pulumi.String("unless-stopped"), MustRun: pulumi.Bool(false), Wait: pulumi.Bool(false),
		DestroyGraceSeconds: pulumi.Int(30), StopTimeout: pulumi.Int(30), StopSignal: pulumi.String("SIGINT"),
		Memory: pulumi.Int(m.memory), MemorySwap: pulumi.Int(m.memory), MemoryReservation: pulumi.Int(16),
		Cpus: pulumi.String("1.5"), ShmSize: pulumi.Int(32),
		NetworksAdvanced: docker.ContainerNetworksAdvancedArray{
			docker.ContainerNetworksAdvancedArgs{Name: inside.ID(), Aliases: pulumi.StringArray{pulumi.String("db")}},
			docker.ContainerNetworksAdvancedArgs{Name: admin.ID()},
		},
		Ports: docker.ContainerPortArray{docker.ContainerPortArgs{
			Internal: pulumi.Int(5432), External: pulumi.Int(m.port), Ip: pulumi.String("127.0.0.1"), Protocol: pulumi.String("tcp"),
		}},
		Volumes: docker.ContainerVolumeArray{docker.ContainerVolumeArgs{
			VolumeName: volume.Name, ContainerPath: pulumi.String("/data"),
		}},
		Tmpfs: pulumi.StringMap{"/scratch": pulumi.String("size=16m")},
		Healthcheck: docker.ContainerHealthcheckArgs{
			Tests:    pulumi.StringArray{pulumi.String("CMD"), pulumi.String("/pause")},
			Interval: pulumi.String("1m0s"), Timeout: pulumi.String("5s"), Retries: pulumi.Int(5), StartPeriod: pulumi.String("30s"),
		},
		Labels: docker.ContainerLabelArray{
			docker.ContainerLabelArgs{Label: pulumi.String("wcrdb.test"), Value: pulumi.String(m.name)},
		},
		LogDriver: pulumi.String("json-file"), LogOpts: pulumi.StringMap{"max-size": pulumi.String("10m")},
	}, with)
	if err != nil {
		return err
	}
	ctx.Export("container", server.ID())
	return certificate(ctx)
}

func certificate(ctx *pulumi.Context) error {
	provider, err := tls.NewProvider(ctx, "tls", &tls.ProviderArgs{})
	if err != nil {
		return err
	}
	with := pulumi.Provider(provider)
	var keys []*tls.PrivateKey
	for _, name := range []string{"ca", "server"} {
		key, err := tls.NewPrivateKey(ctx, name, &tls.PrivateKeyArgs{
			Algorithm: pulumi.String("ECDSA"), EcdsaCurve: pulumi.String("P256"),
		}, with)
		if err != nil {
			return err
		}
		keys = append(keys, key)
	}
	authority, err := tls.NewSelfSignedCert(ctx, "ca", &tls.SelfSignedCertArgs{
		PrivateKeyPem: keys[0].PrivateKeyPem, IsCaCertificate: pulumi.Bool(true),
		AllowedUses:         pulumi.StringArray{pulumi.String("cert_signing"), pulumi.String("crl_signing")},
		ValidityPeriodHours: pulumi.Int(87600), EarlyRenewalHours: pulumi.Int(720),
		SetAuthorityKeyId: pulumi.Bool(true), SetSubjectKeyId: pulumi.Bool(true),
		Subject: tls.SelfSignedCertSubjectArgs{CommonName: pulumi.String("test CA"), Country: pulumi.String("US")},
	}, with)
	if err != nil {
		return err
	}
	request, err := tls.NewCertRequest(ctx, "server", &tls.CertRequestArgs{
		PrivateKeyPem: keys[1].PrivateKeyPem, DnsNames: pulumi.StringArray{pulumi.String("db")},
		IpAddresses: pulumi.StringArray{pulumi.String("127.0.0.1")},
		Subject:     tls.CertRequestSubjectArgs{CommonName: pulumi.String("db")},
	}, with)
	if err != nil {
		return err
	}
	leaf, err := tls.NewLocallySignedCert(ctx, "server", &tls.LocallySignedCertArgs{
		CertRequestPem: request.CertRequestPem, CaPrivateKeyPem: keys[0].PrivateKeyPem, CaCertPem: authority.CertPem,
		AllowedUses:         pulumi.StringArray{pulumi.String("server_auth"), pulumi.String("digital_signature")},
		ValidityPeriodHours: pulumi.Int(2160), EarlyRenewalHours: pulumi.Int(720),
	}, with)
	if err != nil {
		return err
	}
	ctx.Export("key", keys[1].PrivateKeyPem)
	ctx.Export("certificate", leaf.CertPem)
	return nil
}

func newMachine(t *testing.T, engine *client.Client) *machine {
	name := dockertest.Name(t)
	return &machine{name: name, image: dockertest.Image(t, engine), port: dockertest.Port(t), memory: 64}
}

func TestServerPlaneOnTheRealEngine(t *testing.T) {
	engine := dockertest.Engine(t)
	m := newMachine(t, engine)
	s, backend := stack(t, m.server)

	_, err := s.Preview(t.Context())
	require.NoError(t, err)
	up, err := s.Up(t.Context())
	require.NoError(t, err)
	settled(t, s)

	assert.True(t, up.Outputs["key"].Secret, "the private key must be secret")
	assert.False(t, up.Outputs["certificate"].Secret, "the certificate is public")
	unreadable(t, backend, "PRIVATE KEY", "very secret")

	found, present, err := dockerengine.Container(t.Context(), engine, m.name)
	require.NoError(t, err)
	require.True(t, present)
	assert.True(t, found.State.Running)
	assert.Len(t, found.NetworkSettings.Networks, 2)
	assert.Equal(t, fmt.Sprint(m.port), found.NetworkSettings.Ports["5432/tcp"][0].HostPort)

	t.Run("memory changes in place", func(t *testing.T) {
		m.memory = 96
		_, err := s.Up(t.Context())
		require.NoError(t, err)
		settled(t, s)
		same, _, err := dockerengine.Container(t.Context(), engine, m.name)
		require.NoError(t, err)
		assert.Equal(t, found.ID, same.ID)
		assert.EqualValues(t, 96<<20, same.HostConfig.Memory)
	})
	t.Run("a stopped container is found and repaired", func(t *testing.T) {
		require.NoError(t, engine.ContainerStop(t.Context(), m.name, container.StopOptions{}))
		repaired(t, s)
		fresh, _, err := dockerengine.Container(t.Context(), engine, m.name)
		require.NoError(t, err)
		assert.True(t, fresh.State.Running)
	})
	t.Run("a removed container is found and repaired", func(t *testing.T) {
		require.NoError(t, engine.ContainerRemove(t.Context(), m.name, container.RemoveOptions{Force: true}))
		repaired(t, s)
	})
	t.Run("a removed network is found and repaired", func(t *testing.T) {
		require.NoError(t, engine.NetworkDisconnect(t.Context(), m.name+"-inside", m.name, true))
		require.NoError(t, engine.NetworkRemove(t.Context(), m.name+"-inside"))
		repaired(t, s)
		fresh, _, err := dockerengine.Container(t.Context(), engine, m.name)
		require.NoError(t, err)
		assert.Contains(t, fresh.NetworkSettings.Networks, m.name+"-inside")
	})
	_, err = s.Destroy(t.Context())
	require.NoError(t, err)
	for _, left := range []func() (bool, error){
		func() (bool, error) {
			_, ok, err := dockerengine.Container(t.Context(), engine, m.name)
			return ok, err
		},
		func() (bool, error) {
			_, ok, err := dockerengine.Network(t.Context(), engine, m.name+"-inside")
			return ok, err
		},
		func() (bool, error) {
			_, ok, err := dockerengine.Network(t.Context(), engine, m.name+"-admin")
			return ok, err
		},
		func() (bool, error) { _, ok, err := dockerengine.Volume(t.Context(), engine, m.name); return ok, err },
	} {
		present, err := left()
		require.NoError(t, err)
		assert.False(t, present)
	}
}

// repaired asserts that a refresh sees drift, and that one up leaves nothing to do.
func repaired(t *testing.T, s auto.Stack) {
	t.Helper()
	refreshed, err := s.Refresh(t.Context())
	require.NoError(t, err)
	assert.NotEqual(t, []string{"same"}, keys(*refreshed.Summary.ResourceChanges), "the drift went unnoticed")
	_, err = s.Up(t.Context())
	require.NoError(t, err)
	settled(t, s)
}
