// Package drill proves a backup: it restores it into a throwaway server, in
// memory, of the image that it was made with, and looks at everything there.
package drill

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
	"github.com/docker/go-connections/nat"
	"github.com/docker/go-units"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/postgres"
)

const (
	// Label marks what a drill makes in Docker; its value is the stack.
	Label = "wcrdb.drill"

	alias    = "db"
	mount    = "/var/lib/postgresql/data"
	port     = "5432/tcp"
	readying = 90 * time.Second // how long a new cluster may take to answer
	leaving  = 60 * time.Second // how long it may take to be gone
	poll     = 20 * time.Millisecond

	// Beside the data: a new cluster and its WAL; what the processes need.
	clusterBytes = 512 * units.MiB
	processBytes = 768 * units.MiB
)

// server is a throwaway server.
type server struct {
	engine             client.APIClient
	name               string
	network, container string
	stdin              types.HijackedResponse
	username, password string
	address            string // on this host
}

// begin starts a server that ends, and is removed, by itself when this process
// is gone: it runs as long as its container's standard input is open.
func begin(ctx context.Context, options Options) (_ *server, err error) {
	s := &server{
		engine: options.Engine, username: options.Superuser, password: rand.Text(),
		name: fmt.Sprintf("%s-drill-%s", options.Name, strings.ToLower(rand.Text()[:8])),
	}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("throwaway server: %w", err), s.close(ctx))
		}
	}()
	labels := maps.Clone(options.Labels)
	labels[Label] = options.Stack
	if err := sweep(ctx, s.engine, labels); err != nil {
		return nil, err
	}
	made, err := s.engine.NetworkCreate(ctx, s.name, network.CreateOptions{
		Driver: "bridge", Labels: labels, Options: map[string]string{"com.docker.network.bridge.enable_ip_masquerade": "false"}, // no way out
	})
	if err != nil {
		return nil, err
	}
	s.network = made.ID
	if err := s.create(ctx, options, labels); err != nil {
		return nil, err
	}
	if s.stdin, err = s.engine.ContainerAttach(ctx, s.container, container.AttachOptions{Stream: true, Stdin: true}); err != nil {
		return nil, err
	}
	if err := s.engine.ContainerStart(ctx, s.container, container.StartOptions{}); err != nil {
		return nil, err
	}
	return s, s.await(ctx)
}

func (s *server) create(ctx context.Context, options Options, labels map[string]string) error {
	memory, err := s.memory(ctx, options)
	if err != nil {
		return err
	}
	settings := []string{
		// It is thrown away: nothing has to survive a crash, and the log is short.
		"fsync=off", "full_page_writes=off", "synchronous_commit=off", "wal_level=minimal", "max_wal_senders=0", "max_wal_size=128MB", "autovacuum=off",
		"maintenance_work_mem=128MB", "password_encryption=scram-sha-256",
	}
	if options.Preload != "" {
		settings = append(settings, "shared_preload_libraries="+options.Preload)
	}
	command := []string{"-c", `docker-entrypoint.sh "$@" & cat >/dev/null; kill -INT $!; wait $!`, "drill", "postgres"}
	for _, setting := range settings {
		command = append(command, "-c", setting)
	}
	made, err := s.engine.ContainerCreate(ctx, &container.Config{
		Image: options.Image, Entrypoint: []string{"sh"}, Cmd: command, Labels: labels, OpenStdin: true, StdinOnce: true, AttachStdin: true,
		Env: []string{
			"PGDATA=" + mount + "/pgdata", "POSTGRES_USER=" + s.username, "POSTGRES_DB=" + maintenance,
			"POSTGRES_INITDB_ARGS=--auth-local=peer --auth-host=scram-sha-256 --encoding=UTF8 --no-sync",
			// A verifier: nothing that could be read in docker inspect lets anybody in.
			"POSTGRES_PASSWORD=" + postgres.ScramVerifier(s.password, []byte(rand.Text()[:16]), 4096),
		},
		Healthcheck:  &container.HealthConfig{Test: []string{"NONE"}},
		ExposedPorts: nat.PortSet{port: {}},
	}, &container.HostConfig{
		AutoRemove:   true,
		NetworkMode:  container.NetworkMode(s.network),
		PortBindings: nat.PortMap{port: {{HostIP: "127.0.0.1"}}},
		Tmpfs:        map[string]string{mount: fmt.Sprintf("rw,size=%d,mode=0700", memory-processBytes)},
		LogConfig:    container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "10m"}},
		Resources:    container.Resources{NanoCPUs: int64(options.CPUs * 1e9), Memory: memory, MemorySwap: memory},
		ShmSize:      256 * units.MiB,
	}, &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{s.network: {Aliases: []string{alias}}}}, nil, s.name)
	s.container = made.ID
	return err
}

// memory is what the container gets: the data is in it.
func (s *server) memory(ctx context.Context, options Options) (int64, error) {
	info, err := s.engine.Info(ctx)
	if err != nil {
		return 0, err
	}
	needed := options.From.DatabaseBytes*3/2 + clusterBytes + processBytes
	if all := needed + options.filling().Decrypted(); all > info.MemTotal {
		return 0, fmt.Errorf("the database of backup %s has %s, and takes %s of memory to be restored; Docker's host has %s: drill on a machine with more",
			options.From.ID, units.BytesSize(float64(options.From.DatabaseBytes)), units.BytesSize(float64(all)), units.BytesSize(float64(info.MemTotal)))
	}
	return needed, nil
}

// await waits until the server can be logged in to: the image's first
// initialisation listens to nobody.
func (s *server) await(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, readying)
	defer cancel()
	for {
		found, there, err := dockerengine.Container(ctx, s.engine, s.container)
		if err != nil {
			return err
		}
		if !there || !found.State.Running {
			return errors.New("it ended while it started; is there enough memory for its container?")
		}
		if bindings := found.NetworkSettings.Ports[port]; len(bindings) > 0 {
			s.address = net.JoinHostPort(bindings[0].HostIP, bindings[0].HostPort)
			var session *pgx.Conn
			if session, err = s.login(ctx, s.username, s.password, maintenance); err == nil {
				return session.Close(ctx)
			}
		}
		var answer *pgconn.PgError
		if errors.As(err, &answer) && answer.Code[:2] == "28" {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("it did not answer: %w", errors.Join(err, ctx.Err()))
		case <-time.After(poll):
		}
	}
}

func (s *server) login(ctx context.Context, username, password, database string) (*pgx.Conn, error) {
	settings, err := pgx.ParseConfig("sslmode=disable application_name=wcrdb connect_timeout=10")
	if err != nil {
		return nil, err
	}
	host, number, err := net.SplitHostPort(s.address)
	if err != nil {
		return nil, err
	}
	parsed, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return nil, err
	}
	settings.Host, settings.Port, settings.User, settings.Password, settings.Database = host, uint16(parsed), username, password, database
	return pgx.ConnectConfig(ctx, settings)
}

// close removes the server with all that is in it, even where ctx is done.
func (s *server) close(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), leaving)
	defer cancel()
	if s.stdin.Conn != nil {
		s.stdin.Close()
	}
	for s.container != "" {
		err := s.engine.ContainerRemove(ctx, s.container, container.RemoveOptions{Force: true, RemoveVolumes: true})
		if errdefs.IsNotFound(err) {
			break
		}
		if err != nil && !errdefs.IsConflict(err) { // a removal is under way
			return fmt.Errorf("removing the throwaway server %s: %w", s.name, err)
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("removing the throwaway server %s: %w", s.name, errors.Join(err, ctx.Err()))
		case <-time.After(poll):
		}
	}
	if s.network == "" {
		return nil
	}
	if err := s.engine.NetworkRemove(ctx, s.network); err != nil && !errdefs.IsNotFound(err) {
		return fmt.Errorf("removing the throwaway server's network %s: %w", s.name, err)
	}
	return nil
}

// sweep removes the networks that drills have left that were killed; their
// containers have removed themselves.
func sweep(ctx context.Context, engine client.APIClient, labels map[string]string) error {
	left, err := dockerengine.Networks(ctx, engine, labels)
	if err != nil {
		return err
	}
	for _, one := range left {
		found, there, err := dockerengine.Network(ctx, engine, one.ID)
		if err != nil {
			return err
		}
		if !there || len(found.Containers) > 0 || time.Since(found.Created) < readying { // another drill's
			continue
		}
		if err := engine.NetworkRemove(ctx, one.ID); err != nil && !errdefs.IsNotFound(err) {
			return fmt.Errorf("network %s, which a drill has left: %w", one.Name, err)
		}
	}
	return nil
}
