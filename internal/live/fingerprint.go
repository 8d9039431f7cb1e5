package live

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/docker/docker/client"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/witchcityrope/database/internal/dockerengine"
)

//go:embed fingerprint.sql
var fingerprintQuery string

// Fingerprint hashes everything that a stack declares and somebody could have
// changed by hand. Equal fingerprints mean that a refresh would find nothing;
// different ones, that something changed, if only a table that a migration
// made. It costs three queries and a few requests, where a refresh costs seconds.
func (s Server) Fingerprint(ctx context.Context) (string, error) {
	parts := []any{}
	add := func(part any, err error) error {
		parts = append(parts, part)
		return err
	}
	for _, look := range []func() error{
		func() error { return add(containerPart(ctx, s.Engine, s.Container)) },
		func() error {
			if !s.Stack.Backup.Enabled {
				return nil
			}
			return add(containerPart(ctx, s.Engine, s.Stack.BackupContainer()))
		},
		func() error { return add(networkPart(ctx, s.Engine, s.Stack.Network.Name)) },
		func() error { return add(networkPart(ctx, s.Engine, s.Stack.Network.AdminName)) },
		func() error { return add(s.catalogPart(ctx)) },
	} {
		if err := look(); err != nil {
			return "", fmt.Errorf("fingerprint of stack %s: %w", s.Stack.Name, err)
		}
	}
	text, err := json.Marshal(parts)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:]), nil
}

func containerPart(ctx context.Context, engine client.APIClient, name string) (any, error) {
	found, ok, err := dockerengine.Container(ctx, engine, name)
	if err != nil || !ok {
		return nil, err
	}
	attached := map[string][]string{}
	for network, endpoint := range found.NetworkSettings.Networks {
		attached[network] = append([]string{endpoint.NetworkID}, endpoint.Aliases...)
	}
	return []any{found.ID, found.State.Running, found.HostConfig, attached}, nil
}

func networkPart(ctx context.Context, engine client.APIClient, name string) (any, error) {
	found, ok, err := dockerengine.Network(ctx, engine, name)
	if err != nil || !ok {
		return nil, err
	}
	return []any{found.ID, found.Internal, found.Options, found.IPAM, found.Labels}, nil
}

func (s Server) catalogPart(ctx context.Context) (any, error) {
	connection, err := s.Superuser(ctx, s.Stack.Database.Name)
	var answer *pgconn.PgError
	if errors.As(err, &answer) && answer.Code == "3D000" { // invalid_catalog_name: it was dropped, or is to be made
		return answer.Message, nil
	}
	if err != nil {
		return nil, err
	}
	defer connection.Close(context.WithoutCancel(ctx))
	return catalog(ctx, connection)
}

// catalog hashes what one database's session sees. What is granted on
// parameters has a catalogue since PostgreSQL 15.
func catalog(ctx context.Context, connection *pgx.Conn) ([]*string, error) {
	hashes := make([]*string, 2)
	if err := connection.QueryRow(ctx, fingerprintQuery).Scan(&hashes[0]); err != nil {
		return nil, err
	}
	var known bool
	if err := connection.QueryRow(ctx, "SELECT to_regclass('pg_catalog.pg_parameter_acl') IS NOT NULL").Scan(&known); err != nil || !known {
		return hashes, err
	}
	err := connection.QueryRow(ctx, "SELECT string_agg(concat_ws(' ', parname, paracl::text), E'\n' ORDER BY parname) FROM pg_parameter_acl").Scan(&hashes[1])
	return hashes, err
}
