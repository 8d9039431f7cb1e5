package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/docker/docker/client"
	"github.com/jackc/pgx/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gopkg.in/yaml.v3"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/dockerengine/dockertest"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/operation"
	"github.com/witchcityrope/database/internal/password"
)

const (
	projectName = "witchcityrope-database"
	// prefix of the names of everything that these tests make in Docker.
	prefix = "wcrdb-e2e-"
	// canary is the root secret of the stacks: it must appear nowhere.
	canary     = "canary-root-secret-that-nobody-may-ever-see"
	passphrase = "canary-passphrase-that-nobody-may-ever-see"
)

// project is a copy of the checkout's project with one stack, whose names,
// subnet and port are its own.
type project struct {
	t       testing.TB
	docker  *client.Client
	dir     string
	stack   string
	plugins operation.PluginChoice
	secret  string // the first root secret
	env     []string

	mutex      sync.Mutex
	rotated    map[int]string // root secrets that rotations have made, by number
	transcript bytes.Buffer
	secretless bytes.Buffer // all output that must be free of secrets
}

// step runs a part of the test as a test of its own.
func (p *project) step(name string, do func(t *testing.T)) {
	outer := p.t.(*testing.T)
	outer.Run(name, func(t *testing.T) {
		p.t = t
		defer func() { p.t = outer }()
		do(t)
	})
}

// values are configuration by key: what a stack file has below "config".
type values map[string]any

// newProject copies the project. Whatever it makes in Docker is removed after
// the test, and what wcrdb said is shown if the test fails.
func newProject(t testing.TB, stack string, plugins operation.PluginChoice) *project {
	t.Helper()
	p := &project{t: t, docker: dockertest.Engine(t), dir: t.TempDir(), stack: stack, plugins: plugins, secret: canary}
	name := prefix + strings.TrimPrefix(dockertest.Name(t), dockertest.Prefix)
	p.environment()
	for _, file := range []string{"Pulumi.yaml", "Pulumi." + stack + ".yaml"} {
		content, err := os.ReadFile(filepath.Join("..", "..", file))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(p.dir, file), content, 0o644))
	}
	p.linkSources()
	p.configure(values{
		"server":  values{"name": name},
		"network": values{"subnet": freeSubnet(t, p.docker), "adminSubnet": freeSubnet(t, p.docker), "publish": values{"port": freePort(t)}},
	})
	if p.config().Storage.Type == config.Bind {
		data := filepath.Join(p.dir, "data")
		require.NoError(t, os.Mkdir(data, 0o700))
		p.configure(values{"storage": values{"path": data}})
	}
	t.Cleanup(p.clean)
	t.Cleanup(func() {
		assertNoSecrets(t, "what wcrdb says", p.secretless.String(), p.secrets())
		if t.Failed() {
			t.Logf("what wcrdb said in %s:\n%s", p.dir, p.transcript.String())
		}
	})
	return p
}

// linkSources gives the project what the agent that makes backups is built from.
func (p *project) linkSources() {
	for _, name := range []string{"go.mod", "go.sum", "cmd", "internal"} {
		source, err := filepath.Abs(filepath.Join("..", "..", name))
		require.NoError(p.t, err)
		require.NoError(p.t, os.Symlink(source, filepath.Join(p.dir, name)))
	}
}

// environment isolates wcrdb from the caller's settings of Pulumi.
func (p *project) environment() {
	for _, variable := range os.Environ() {
		name, _, _ := strings.Cut(variable, "=")
		if !slices.Contains([]string{
			"STACK", "WCRDB_PLUGINS", "PULUMI_BACKEND_URL", "PULUMI_ACCESS_TOKEN", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE",
		}, name) {
			p.env = append(p.env, variable)
		}
	}
	tmp := p.tmp()
	require.NoError(p.t, os.Mkdir(tmp, 0o700))
	p.env = append(p.env, "TMPDIR="+tmp, "PULUMI_CREDENTIALS_PATH="+p.t.TempDir())
}

// tmp is where wcrdb makes its temporary files.
func (p *project) tmp() string { return filepath.Join(p.dir, "tmp") }

// local is a file that wcrdb keeps for the stack on this machine.
func (p *project) local(name string) string { return filepath.Join(p.dir, ".wcrdb", p.stack, name) }

// initialize gives the stack its root secret, the way its kind of stack has one.
func (p *project) initialize() *project {
	p.t.Helper()
	if p.config().RootSecretFrom == config.FromLocal {
		p.setLocalSecret(p.secret)
		return p
	}
	p.env = append(p.env, "PULUMI_CONFIG_PASSPHRASE="+passphrase)
	p.must("init", p.stack)
	p.setConfigSecret(p.secret)
	return p
}

func (p *project) setLocalSecret(secret string) {
	p.t.Helper()
	path := p.local("root-secret")
	require.NoError(p.t, os.MkdirAll(filepath.Dir(path), 0o700))
	require.NoError(p.t, os.WriteFile(path, []byte(secret+"\n"), 0o600))
}

// setConfigSecret puts the root secret into the stack file, as people who
// have one already do it with the Pulumi CLI.
func (p *project) setConfigSecret(secret string) {
	p.t.Helper()
	_, err := p.pulumi(secret, "config", "set", "--secret", projectName+":"+config.RootSecretKey)
	require.NoError(p.t, err)
}

// pulumi runs the Pulumi CLI on the stack.
func (p *project) pulumi(stdin string, args ...string) (string, error) {
	cli, err := pulumiCLI()
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(context.Background(), cli, append(args, "--stack", p.stack, "--non-interactive")...)
	command.Dir, command.Stdin = p.dir, strings.NewReader(stdin)
	command.Env = append(slices.Clone(p.env), "PULUMI_BACKEND_URL=file://"+filepath.ToSlash(filepath.Join(p.dir, ".wcrdb", "state")))
	output, err := command.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("pulumi %s: %w\n%s", strings.Join(args, " "), err, output)
	}
	return string(output), nil
}

// configure merges values into the stack file; nil takes a key out.
func (p *project) configure(changes values) {
	p.t.Helper()
	path := filepath.Join(p.dir, "Pulumi."+p.stack+".yaml")
	content, err := os.ReadFile(path)
	require.NoError(p.t, err)
	file := map[string]any{}
	require.NoError(p.t, yaml.Unmarshal(content, &file))
	under, _ := file["config"].(map[string]any)
	prefixed := values{}
	for key, value := range changes {
		prefixed[projectName+":"+key] = value
	}
	merge(under, prefixed)
	content, err = yaml.Marshal(file)
	require.NoError(p.t, err)
	require.NoError(p.t, os.WriteFile(path, content, 0o644))
}

func merge(into map[string]any, changes values) {
	for key, value := range changes {
		if value == nil {
			delete(into, key)
			continue
		}
		inner, isMap := value.(values)
		if !isMap {
			into[key] = value
			continue
		}
		existing, there := into[key].(map[string]any)
		if !there {
			existing = map[string]any{}
			into[key] = existing
		}
		merge(existing, inner)
	}
}

// config is the stack's configuration as wcrdb reads it.
func (p *project) config() *config.Stack {
	p.t.Helper()
	decoded, err := p.decode()
	require.NoError(p.t, err)
	return decoded
}

func (p *project) decode() (*config.Stack, error) {
	found, err := engine.FindProject(p.dir)
	if err != nil {
		return nil, err
	}
	decoded, _, err := found.Config(p.stack)
	return decoded, err
}

// names of the stack's roles.
func (p *project) names() config.Names { return p.config().Access.Names() }

// derivation derives the passwords that the stack must have.
func (p *project) derivation() *password.Derivation {
	p.t.Helper()
	derivation, err := p.derive(p.config())
	require.NoError(p.t, err)
	return derivation
}

// derive does it for what a stack file says, from the root secrets that it says.
func (p *project) derive(stack *config.Stack) (*password.Derivation, error) {
	root := stack.Access.Root
	local := stack.RootSecretFrom == config.FromLocal
	secret, err := p.rootSecret(root.Number, local, config.RootSecretKey, root.File())
	if err != nil {
		return nil, err
	}
	derivation, err := password.NewDerivation(secret, p.stack)
	if err != nil || !root.HasPrevious() {
		return derivation, err
	}
	if secret, err = p.rootSecret(root.Number-1, local, config.PreviousRootSecretKey, root.PreviousFile()); err != nil {
		return nil, err
	}
	return derivation.After(secret, stack.RootSince())
}

// rootSecret is the root secret of a number: the test's, or one that a rotation
// has made, which is read once from where the stack keeps it.
func (p *project) rootSecret(number int, local bool, key, file string) (string, error) {
	if number == 1 {
		return p.secret, nil
	}
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if secret, known := p.rotated[number]; known {
		return secret, nil
	}
	read := func() (string, error) { return p.pulumi("", "config", "get", projectName+":"+key) }
	if local {
		read = func() (string, error) {
			content, err := os.ReadFile(p.local(file))
			return string(content), err
		}
	}
	secret, err := read()
	if err != nil {
		return "", err
	}
	if p.rotated == nil {
		p.rotated = map[int]string{}
	}
	p.rotated[number] = strings.TrimSpace(secret)
	return p.rotated[number], nil
}

// result of one run of wcrdb.
type result struct {
	code           int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("exit status %d\n%s%s", r.code, r.stdout, r.stderr)
}

// unanswered among the arguments leaves out the answer to what an up asks.
const unanswered = "(unanswered)"

// command is a run of wcrdb on the stack. An up is answered.
func (p *project) command(ctx context.Context, args ...string) *exec.Cmd {
	flags := []string{"--project", p.dir, "--stack", p.stack, "--plugins", string(p.plugins)}
	if p.stack == "prod" { // protected
		flags = append(flags, "--stand-ins")
	}
	args = slices.Clone(args)
	if left := slices.DeleteFunc(args, func(arg string) bool { return arg == unanswered }); args[0] == "up" && len(left) == len(args) {
		args = append(args, "--yes")
	} else {
		args = left
	}
	command := exec.CommandContext(ctx, wcrdb, append(flags, args...)...)
	command.Dir, command.Env = p.dir, p.env
	return command
}

// run runs wcrdb on the stack, whatever comes of it.
func (p *project) run(args ...string) result {
	p.t.Helper()
	var stdout, stderr bytes.Buffer
	command := p.command(context.Background(), args...)
	command.Stdout, command.Stderr = &stdout, &stderr
	err := command.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		require.NoError(p.t, err)
	}
	done := result{command.ProcessState.ExitCode(), stdout.String(), stderr.String()}
	p.record(done.String(), args...)
	return done
}

// record keeps what wcrdb said, for people and for the search for secrets.
func (p *project) record(said string, args ...string) {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	if slices.Contains(args, "--show-secrets") {
		said = "(secrets)\n"
	} else {
		p.secretless.WriteString(said)
	}
	fmt.Fprintf(&p.transcript, "$ wcrdb %s\n%s\n", strings.Join(args, " "), said)
}

// must runs wcrdb and demands success.
func (p *project) must(args ...string) result {
	p.t.Helper()
	done := p.run(args...)
	require.Zero(p.t, done.code, "wcrdb %s: %s", strings.Join(args, " "), done)
	return done
}

// report runs an operation, demands success, and reads its report.
func (p *project) report(args ...string) operation.Report {
	p.t.Helper()
	var report operation.Report
	done := p.must(append(args, "--json")...)
	require.NoError(p.t, json.Unmarshal([]byte(done.stdout), &report), "%s", done)
	return report
}

func (p *project) up() operation.Report { p.t.Helper(); return p.report("up") }

// fails demands that wcrdb fails with a status, and says what people need.
func (p *project) fails(code int, says []string, args ...string) result {
	p.t.Helper()
	done := p.run(args...)
	require.Equal(p.t, code, done.code, "wcrdb %s: %s", strings.Join(args, " "), done)
	for _, text := range says {
		require.Contains(p.t, done.stdout+done.stderr, text)
	}
	return done
}

// unchanged demands that the stack is as declared: nothing to do, no drift.
func (p *project) unchanged() {
	p.t.Helper()
	p.must("preview", "--expect-no-changes")
	p.must("refresh", "--expect-no-changes")
	p.must("preview", "--expect-no-changes")
	p.must("refresh", "--expect-no-changes") // of what a refresh has written
}

// outputs of the stack.
func (p *project) outputs(flags ...string) map[string]any {
	p.t.Helper()
	var outputs map[string]any
	done := p.must(append([]string{"outputs", "--json"}, flags...)...)
	require.NoError(p.t, json.Unmarshal([]byte(done.stdout), &outputs))
	return outputs
}

// noTemporaryFiles demands that wcrdb has removed what it made for itself.
func (p *project) noTemporaryFiles() {
	p.t.Helper()
	entries, err := os.ReadDir(p.tmp())
	require.NoError(p.t, err)
	require.Empty(p.t, entries, "temporary files are left")
}

// as opens a session of a client that ends before the server does.
func (p *project) as(t *testing.T, client string, do func(*pgx.Conn)) {
	t.Helper()
	session, err := p.open(p.connections()[client].URI)
	require.NoError(t, err)
	defer func() { assert.NoError(t, session.Close(context.Background())) }()
	do(session)
}
