package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

const (
	benchPort   = 54391
	benchSubnet = "10.98.71.0/24"
)

// stack is one of the project's stacks, under a name of its own.
type stack struct {
	name    string // dev or test
	dir     string
	binary  string
	plugins string
	file    []byte // the stack file
	watched bool   // whether memory is watched, which itself takes time
}

// took is what one command cost.
type took struct {
	time   time.Duration
	memory int64 // bytes, the most that all its processes had resident together
}

func newStack(name, plugins string) (*stack, error) {
	dir, err := os.MkdirTemp("", "wcrdb-bench-*")
	if err != nil {
		return nil, err
	}
	made := &stack{name: name, dir: dir, plugins: plugins}
	if made.binary, err = filepath.Abs("bin/wcrdb"); err != nil {
		return nil, err
	}
	project, err := os.ReadFile("Pulumi.yaml")
	if err != nil {
		return nil, err
	}
	if made.file, err = os.ReadFile(made.fileName()); err != nil {
		return nil, err
	}
	return made, errors.Join(
		os.WriteFile(filepath.Join(dir, "Pulumi.yaml"), project, 0o600),
		made.rename(),
		made.configure(nil),
	)
}

func (s *stack) fileName() string { return "Pulumi." + s.name + ".yaml" }

// rename gives the stack names, subnets and a port of its own.
func (s *stack) rename() error {
	var file map[string]map[string]any
	if err := yaml.Unmarshal(s.file, &file); err != nil {
		return err
	}
	own := func(key string, values map[string]any) {
		object, is := file["config"]["witchcityrope-database:"+key].(map[string]any)
		if !is {
			object = map[string]any{}
		}
		maps.Copy(object, values)
		file["config"]["witchcityrope-database:"+key] = object
	}
	own("server", map[string]any{"name": "wcrdb-bench"})
	own("network", map[string]any{"subnet": benchSubnet, "adminSubnet": "10.98.72.0/28", "publish": map[string]any{"port": benchPort}})
	var content bytes.Buffer
	encoder := yaml.NewEncoder(&content)
	encoder.SetIndent(2) // as configure writes settings
	err := errors.Join(encoder.Encode(file), encoder.Close())
	s.file = content.Bytes()
	return err
}

// configure writes the stack file with further settings.
func (s *stack) configure(settings map[string]string) error {
	const heading = "witchcityrope-database:settings:\n"
	if !bytes.Contains(s.file, []byte(heading)) {
		return fmt.Errorf("there is no %q in %s to add settings to", heading, s.fileName())
	}
	lines := heading
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		lines += fmt.Sprintf("    %s: %s\n", name, settings[name])
	}
	content := bytes.Replace(s.file, []byte(heading), []byte(lines), 1)
	return os.WriteFile(filepath.Join(s.dir, s.fileName()), content, 0o600)
}

// changeSettings measures one up that changes many settings, and leaves the stack file as it was.
func (s *stack) changeSettings(ctx context.Context) (took, error) {
	var changed took
	for _, value := range []func(pair [2]string) string{
		func(pair [2]string) string { return pair[0] },
		func(pair [2]string) string { return pair[1] },
	} {
		settings := map[string]string{}
		for name, pair := range changingSettings {
			settings[name] = value(pair)
		}
		if err := s.configure(settings); err != nil {
			return took{}, err
		}
		var err error
		if changed, err = s.up(ctx); err != nil {
			return took{}, err
		}
	}
	return changed, s.configure(nil)
}

func (s *stack) up(ctx context.Context) (took, error) { return s.wcrdb(ctx, "up", "--yes") }

// cold is the first up of all: not even the secrets of the stack are there.
func (s *stack) cold(ctx context.Context) (took, error) {
	if err := errors.Join(os.RemoveAll(filepath.Join(s.dir, ".wcrdb")), s.configure(nil)); err != nil {
		return took{}, err
	}
	return s.up(ctx)
}

func (s *stack) down(ctx context.Context) error {
	_, err := s.wcrdb(ctx, "down")
	return err
}

func (s *stack) close() error {
	return errors.Join(s.down(context.Background()), os.RemoveAll(s.dir))
}

// wcrdb runs one command and watches its memory.
func (s *stack) wcrdb(ctx context.Context, args ...string) (took, error) {
	command := exec.CommandContext(ctx, s.binary, append(args, "--stack", s.name, "--project", s.dir, "--plugins", s.plugins)...)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	started := time.Now()
	if err := command.Start(); err != nil {
		return took{}, err
	}
	watched := make(chan int64, 1)
	ended := make(chan struct{})
	go func() {
		if !s.watched {
			watched <- 0
			return
		}
		watched <- watchMemory(command.Process.Pid, ended)
	}()
	err := command.Wait()
	spent := took{time: time.Since(started)}
	close(ended)
	spent.memory = <-watched
	if err != nil {
		err = fmt.Errorf("wcrdb %s: %w\n%s", args[0], err, output.String())
	}
	return spent, err
}

// watchMemory is the most that a process and its descendants have resident
// until they end; 0 where there is no /proc.
func watchMemory(root int, ended <-chan struct{}) int64 {
	var most int64
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ended:
			return most
		case <-ticker.C:
			most = max(most, resident(root))
		}
	}
}

// resident adds up the resident pages of a process and its descendants (proc(5)).
func resident(root int) int64 {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0
	}
	parent, pages := map[int]int{}, map[int]int64{}
	for _, path := range stats {
		content, err := os.ReadFile(path)
		if err != nil {
			continue // ended meanwhile
		}
		// The name in parentheses may have spaces.
		_, rest, _ := strings.Cut(string(content), ") ")
		fields := strings.Fields(rest)
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil || len(fields) < 22 {
			continue
		}
		parent[pid], _ = strconv.Atoi(fields[1])
		pages[pid], _ = strconv.ParseInt(fields[21], 10, 64)
	}
	var sum int64
	for pid := range parent {
		for ancestor := pid; ancestor > 1; ancestor = parent[ancestor] {
			if ancestor == root {
				sum += pages[pid]
				break
			}
		}
	}
	return sum * int64(os.Getpagesize())
}
