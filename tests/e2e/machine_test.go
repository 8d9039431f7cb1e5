package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/docker/docker/api/types/network"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/doctor"
	"github.com/witchcityrope/database/internal/operation"
)

// files lists everything in the project's folder but temporary files.
func (p *project) files() []string {
	p.t.Helper()
	var files []string
	require.NoError(p.t, filepath.WalkDir(p.dir, func(path string, _ fs.DirEntry, err error) error {
		if path == p.tmp() {
			return fs.SkipDir
		}
		files = append(files, path)
		return err
	}))
	return files
}

// TestEndToEndPreviewAnywhere: production can be previewed in a fresh clone,
// with no secret, no passphrase and no database; it cannot be brought up.
func TestEndToEndPreviewAnywhere(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins)
		before := p.files()
		p.step("preview", func(t *testing.T) {
			done := p.must("preview")
			assert.Contains(t, done.stdout+done.stderr, "rootSecret: this stack has no root secret")
			report := p.report("preview")
			assert.Greater(t, report.Summary["create"], 60)
			assert.NotEmpty(t, report.Warnings)
			p.fails(7, nil, "preview", "--expect-no-changes")
		})
		p.step("up refuses", func(t *testing.T) {
			p.fails(1, []string{"wcrdb init prod", "PULUMI_CONFIG_PASSPHRASE"}, "up")
		})
		if plugins == operation.StandIns {
			p.step("without a Docker Engine", func(t *testing.T) {
				p.env = append(p.env, "DOCKER_HOST=unix://"+filepath.Join(p.dir, "no-docker.sock"))
				defer func() { p.env = slices.Delete(p.env, len(p.env)-1, len(p.env)) }()
				p.must("preview")
			})
		}
		p.step("nothing is left behind", func(t *testing.T) {
			assert.Empty(t, p.left())
			p.noTemporaryFiles()
			assert.Equal(t, before, p.files())
		})
	})
}

// TestEndToEndDoctor: what is wrong with a machine is found before anything is changed.
func TestEndToEndDoctor(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "prod", plugins).initialize()
		p.step("nothing is wrong", func(t *testing.T) {
			assert.Empty(t, p.doctor(0).Faults())
		})
		for what, fault := range map[string]struct {
			check, says string
			make        func(t *testing.T)
		}{
			"port taken": {"port", "is not free", func(t *testing.T) {
				listener, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", p.config().Network.Publish.Port))
				require.NoError(t, err)
				t.Cleanup(func() { assert.NoError(t, listener.Close()) })
			}},
			"bind path missing": {"storage", "does not exist", func(t *testing.T) {
				require.NoError(t, os.Remove(p.config().Storage.Path))
				t.Cleanup(func() { assert.NoError(t, os.Mkdir(p.config().Storage.Path, 0o700)) })
			}},
			"something else where the cluster would be": {"storage", "neither empty nor", func(t *testing.T) {
				cluster := filepath.Join(p.config().Storage.Path, config.DataDirectory)
				require.NoError(t, os.MkdirAll(filepath.Join(cluster, "photos"), 0o700))
				t.Cleanup(func() { assert.NoError(t, os.RemoveAll(cluster)) })
			}},
			"subnet taken": {"subnet", "overlaps", func(t *testing.T) {
				created, err := p.docker.NetworkCreate(t.Context(), p.config().Network.Name+"-other", network.CreateOptions{
					Driver: "bridge", IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: p.config().Network.Subnet}}},
				})
				require.NoError(t, err)
				t.Cleanup(func() { assert.NoError(t, p.docker.NetworkRemove(context.Background(), created.ID)) })
			}},
		} {
			p.step(what, func(t *testing.T) {
				fault.make(t)
				faults := p.doctor(1).Faults()
				require.Len(t, faults, 1)
				assert.Equal(t, fault.check, faults[0].Check)
				assert.Contains(t, faults[0].What, fault.says)
				assert.NotEmpty(t, faults[0].Remedy)
				p.fails(1, []string{fault.says, faults[0].Remedy}, "up")
				assert.Empty(t, p.left(), "up changes nothing")
			})
		}
	})
}

// doctor examines the machine, and demands an exit status.
func (p *project) doctor(code int) doctor.Report {
	p.t.Helper()
	done := p.fails(code, nil, "doctor", "--json")
	var report doctor.Report
	require.NoError(p.t, json.Unmarshal([]byte(done.stdout), &report), "%s", done)
	return report
}

// TestEndToEndUsage: a wrong command is told apart from a failure.
func TestEndToEndUsage(t *testing.T) {
	eachPlugins(t, func(t *testing.T, plugins operation.PluginChoice) {
		p := newProject(t, "dev", plugins).initialize()
		for says, args := range map[string][]string{
			"unknown flag":       {"up", "--nonsense"},
			"none of auto":       {"up", "--plugins", "nonsense"},
			"unknown command":    {"upp"},
			`command "nonsense"`: {"up", "nonsense"},
		} {
			p.fails(2, []string{says}, args...)
		}
		p.fails(1, []string{"there is no stack nonsense"}, "up", "--stack", "nonsense")
		p.must("--help")
		assert.Empty(t, p.left())
	})
}
