package operation

import (
	"cmp"
	"context"
	"slices"

	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/live"
	"github.com/witchcityrope/database/internal/pgtools"
)

// programs starts a container in which PostgreSQL's programs of the server's
// version log in as one of the stack's clients; whoever asks for it closes it.
func (o *Operation) programs(ctx context.Context, server live.Server, client string) (*pgtools.Container, error) {
	names := o.config.Access.Names()
	login, err := names.Login(client)
	if err != nil {
		return nil, err
	}
	image, err := o.runningImage(ctx, server)
	if err != nil {
		return nil, err
	}
	options := pgtools.Options{
		Engine: server.Engine, Image: image, Network: o.config.Network.Name, Host: o.config.Network.Alias,
		Login: login, Password: server.Derivation.Password(login, names.Generation(login)), Name: o.config.Server.Name,
		Labels: o.labels(),
	}
	if o.config.TLS.Enabled {
		options.CAPEM = server.CA
	}
	return pgtools.Start(ctx, options)
}

// imageDigest names the image that the server runs, whatever its tag says by now.
func (o *Operation) imageDigest(ctx context.Context, server live.Server) (string, error) {
	ref, err := o.runningImage(ctx, server)
	if err != nil {
		return "", err
	}
	image, there, err := dockerengine.Image(ctx, server.Engine, ref)
	if err != nil || !there {
		return ref, err
	}
	return cmp.Or(slices.Concat(image.RepoDigests, []string{image.ID})...), nil
}
