package acquire

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"golang.org/x/mod/semver"
)

const (
	// PulumiVersion is the least version of the Pulumi CLI that will do, and the
	// one that is built where there is none.
	PulumiVersion = "3.259.0"

	pulumiPackage    = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi"
	pulumiVersionVar = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
	onPathFact       = "pulumi-on-path"
)

// The module that the CLI is built in: what `go mod tidy` makes of one that
// imports pulumiPackage at PulumiVersion. With its checksums the build is the
// same everywhere.
var (
	//go:embed pulumi-cli.mod
	pulumiModule []byte
	//go:embed pulumi-cli.sum
	pulumiChecksums []byte
)

// PulumiCLI is a Pulumi CLI, or the lack of one.
type PulumiCLI struct {
	Path    string // empty if one has to be built
	Version string
	Remark  string // why the one on PATH is not used, if so
}

// FindCLI looks for a Pulumi CLI on PATH and in the cache, and builds none.
func FindCLI(ctx context.Context) (PulumiCLI, error) {
	var found PulumiCLI
	onPath, err := exec.LookPath("pulumi")
	if err == nil {
		version, err := versionOnPath(ctx, onPath)
		if err == nil && suits(version) {
			return PulumiCLI{Path: onPath, Version: version}, nil
		}
		if ctx.Err() != nil {
			return found, ctx.Err()
		}
		found.Remark = fmt.Sprintf("%s is not used: it is %s, %s or a later 3.x is needed", onPath, version, PulumiVersion)
		if err != nil {
			found.Remark = fmt.Sprintf("%s is not used: %v", onPath, err)
		}
	}
	dir, err := CacheDir()
	if err != nil {
		return found, err
	}
	inCache := filepath.Join(dir, pulumiFolder(), pulumiFile())
	there, err := exists(inCache)
	if err == nil && there {
		found.Path, found.Version = inCache, "v"+PulumiVersion
	}
	return found, err
}

// CLI returns the path of a Pulumi CLI: the one on PATH if it suits, else the one
// in the cache, which is built from its Go module once.
func CLI(ctx context.Context, report Reporter) (string, error) {
	found, err := FindCLI(ctx)
	if err != nil {
		return "", err
	}
	if found.Remark != "" {
		report("%s", found.Remark)
	}
	if found.Path != "" {
		return found.Path, nil
	}
	folder, err := cached(ctx, pulumiFolder(), func(tmp string) error { return buildCLI(ctx, tmp, report) })
	if err != nil {
		return "", fmt.Errorf("get the Pulumi CLI: %w", err)
	}
	return filepath.Join(folder, pulumiFile()), nil
}

func pulumiFolder() string { return "pulumi-" + PulumiVersion }

func pulumiFile() string {
	if runtime.GOOS == "windows" {
		return "pulumi.exe"
	}
	return "pulumi"
}

// suits tells whether a CLI of that version can run the program.
func suits(version string) bool {
	const least = "v" + PulumiVersion
	return semver.Major(version) == semver.Major(least) && semver.Compare(version, least) >= 0
}

// versionOnPath asks the CLI at path for its version, unless an earlier run
// has asked the same file.
func versionOnPath(ctx context.Context, path string) (string, error) {
	file, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	type fact struct {
		Path     string
		Size     int64
		Modified time.Time
		Version  string
	}
	now := fact{Path: path, Size: file.Size(), Modified: file.ModTime().UTC()}
	var known fact
	if err := recall(onPathFact, &known); err != nil {
		return "", err
	}
	now.Version = known.Version
	if known == now {
		return known.Version, nil
	}
	cmd := exec.CommandContext(ctx, path, "version")
	cmd.Env = append(os.Environ(), "PULUMI_SKIP_UPDATE_CHECK=true")
	printed, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("`%s version`: %w", path, err)
	}
	now.Version = strings.TrimSpace(string(printed))
	return now.Version, remember(onPathFact, now)
}

// buildCLI builds the CLI into a new folder.
func buildCLI(ctx context.Context, folder string, report Reporter) (err error) {
	if _, err := exec.LookPath("go"); err != nil {
		return errors.New("there is no pulumi on PATH, and no go to build it with; " +
			"install Pulumi (https://www.pulumi.com/docs/install/) or Go (https://go.dev/doc/install)")
	}
	module, err := os.MkdirTemp("", "wcrdb-pulumi-*")
	if err != nil {
		return fmt.Errorf("make a temporary folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(module)) }()
	for name, content := range map[string][]byte{"go.mod": pulumiModule, "go.sum": pulumiChecksums} {
		if err := os.WriteFile(filepath.Join(module, name), content, 0o644); err != nil {
			return fmt.Errorf("write the module to build in: %w", err)
		}
	}
	if err := os.Mkdir(folder, 0o755); err != nil {
		return fmt.Errorf("make a folder for the Pulumi CLI: %w", err)
	}
	report("building the Pulumi CLI %s from its Go module; that takes some minutes, once", PulumiVersion)
	return run(ctx, command{
		dir: module,
		env: []string{"GOFLAGS=-mod=readonly", "GOWORK=off", "CGO_ENABLED=0", "GOOS=", "GOARCH="},
		args: []string{
			"go", "build", "-v", "-o", filepath.Join(folder, pulumiFile()),
			"-ldflags", "-w -s -X " + pulumiVersionVar + "=v" + PulumiVersion, pulumiPackage,
		},
		eachLine: countPackages(report),
	})
}

// reportEvery is after how many compiled packages progress is reported.
const reportEvery = 250

// countPackages reports progress from what `go build -v` prints: one line for
// each package.
func countPackages(report Reporter) func(line string) {
	packages := 0
	return func(string) {
		if packages++; packages%reportEvery == 0 {
			report("building the Pulumi CLI: %d packages compiled", packages)
		}
	}
}
