package acquire

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"slices"
	"strings"
)

// program is one that a job needs, and the Debian package that has it.
type program struct{ name, debianPackage string }

// needs makes sure that the programs are there. On Debian as root it installs
// the missing ones from Debian's packages; elsewhere it says what is missing.
func needs(ctx context.Context, report Reporter, purpose string, programs ...program) error {
	var names, packages []string
	for _, p := range programs {
		if len(missing(p.name)) > 0 {
			names = append(names, p.name)
			packages = append(packages, p.debianPackage)
		}
	}
	if len(names) == 0 {
		return nil
	}
	mayInstall, err := debianRoot()
	if err != nil {
		return err
	}
	if !mayInstall {
		return fmt.Errorf("%s needs %s, not found on PATH; install it (on Debian: apt-get install %s); "+
			"only on Debian and as root is that done for you", purpose, strings.Join(names, " and "), strings.Join(packages, " "))
	}
	return aptInstall(ctx, report, packages...)
}

// aptInstall installs Debian packages without asking anything. The lists of
// packages are fetched only if the installation fails with those that are there:
// the machine may have none, or old ones.
func aptInstall(ctx context.Context, report Reporter, packages ...string) error {
	report("installing Debian packages: %s", strings.Join(packages, " "))
	apt := func(args ...string) error {
		return run(ctx, command{env: []string{"DEBIAN_FRONTEND=noninteractive"}, args: append([]string{"apt-get"}, args...)})
	}
	install := append([]string{"install", "-q", "-y", "--no-install-recommends"}, packages...)
	if apt(install...) == nil {
		return nil
	}
	if err := apt("update", "-q"); err != nil {
		return err
	}
	return apt(install...)
}

// debianRoot tells whether this is Debian and the user may install packages.
func debianRoot() (bool, error) {
	if runtime.GOOS != "linux" || os.Geteuid() != 0 {
		return false, nil
	}
	release, err := os.ReadFile("/etc/os-release")
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("find out which system this is: %w", err)
	}
	return isDebian(string(release)), nil
}

// isDebian tells whether an os-release file is Debian's own.
func isDebian(release string) bool {
	return slices.ContainsFunc(strings.Split(release, "\n"), func(line string) bool {
		id, ok := strings.CutPrefix(strings.TrimSpace(line), "ID=")
		return ok && strings.Trim(id, `"'`) == "debian"
	})
}
