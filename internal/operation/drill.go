package operation

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/backup"
	"github.com/witchcityrope/database/internal/dockerengine"
	"github.com/witchcityrope/database/internal/drill"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/privileges/inspect"
	"github.com/witchcityrope/database/internal/receipt"
	"github.com/witchcityrope/database/internal/restore"
)

// DrillOptions say which backup is proven; the newest if From is empty.
type DrillOptions struct {
	From, IdentityFile string
}

// Drill proves a backup in a throwaway server, and keeps a receipt. It needs
// neither the stack's server nor its secrets.
func (o *Operation) Drill(ctx context.Context, options DrillOptions) (made receipt.Receipt, path string, err error) {
	if err := o.load(); err != nil {
		return made, "", err
	}
	docker, err := dockerengine.Connect(ctx, "")
	if err != nil {
		return made, "", err
	}
	defer func() { err = errors.Join(err, docker.Close()) }()
	from, identities, done, err := o.backupFrom(ctx, options.From, options.IdentityFile)
	if errors.Is(err, backup.ErrIncomplete) {
		made = receipt.Receipt{Stack: o.Stack, Backup: filepath.Base(options.From), At: time.Now(), Reason: string(restore.Incomplete), Fault: err.Error(), Checks: []receipt.Check{}}
		path, err = receipt.Keep(o.receiptDir(), made)
		return made, path, err
	}
	if err != nil {
		return made, "", err
	}
	defer func() { err = errors.Join(err, done()) }()
	if err := o.isOurs(from.Manifest); err != nil {
		return made, "", err
	}
	ref, err := imageByDigest(ctx, docker, from.ImageDigest)
	if err != nil {
		return made, "", fmt.Errorf("backup %s: %w", from.ID, err)
	}
	o.Report("backup %s of %s", from.ID, from.StartedAt.Local().Format(time.DateTime))
	made, failed := drill.Run(ctx, drill.Options{
		Engine: docker, From: from, Identities: identities, Image: ref, Digest: from.ImageDigest,
		Superuser: o.config.Target.Username, Preload: from.Settings["shared_preload_libraries"],
		Stack: o.Stack, Name: o.config.Server.Name, Labels: o.labels(), CPUs: o.config.Server.CPUs, Access: o.accessOf, Report: o.Report,
	})
	path, err = receipt.Keep(o.receiptDir(), made)
	return made, path, errors.Join(failed, err)
}

// isOurs says why a backup proves nothing of this stack's: it is another one's.
func (o *Operation) isOurs(from backup.Manifest) error {
	if from.Project == o.config.Project && from.Stack == o.Stack && from.Database == o.config.Database.Name {
		return nil
	}
	return fmt.Errorf("backup %s is of database %s of stack %s, project %s: a receipt of stack %s, whose database is %s, would say nothing of its own backups; prove it there (wcrdb drill -s %[3]s)",
		from.ID, from.Database, from.Stack, from.Project, o.Stack, o.config.Database.Name)
}

// accessOf compares a database with what is declared of it; of the server's
// other databases a backup has nothing.
func (o *Operation) accessOf(ctx context.Context, session *pgx.Conn) (cells int, failing []string, err error) {
	tx, err := session.Begin(ctx)
	if err != nil {
		return 0, nil, err
	}
	names := o.config.Access.Names()
	result, err := inspect.Verify(ctx, tx, o.Access(o.config), migrators(names)...)
	if err = errors.Join(err, tx.Rollback(context.WithoutCancel(ctx))); err != nil {
		return 0, nil, err
	}
	for _, cell := range result.Failing {
		if !strings.HasPrefix(cell.Object, "database ") || cell.Object == "database "+o.config.Database.Name {
			failing = append(failing, cell.String())
		}
	}
	return result.Cells, failing, nil
}

// imageByDigest finds an image that Docker has by its id, or its digest in a registry.
func imageByDigest(ctx context.Context, docker client.APIClient, digest string) (string, error) {
	_, bare, _ := strings.Cut(digest, "@")
	bare = cmp.Or(bare, digest)
	images, err := docker.ImageList(ctx, image.ListOptions{})
	if err != nil {
		return "", fmt.Errorf("listing images: %w", err)
	}
	for _, found := range images {
		if bare != "" && (found.ID == bare || slices.Contains(found.RepoTags, digest) || slices.ContainsFunc(found.RepoDigests, func(known string) bool { return strings.HasSuffix(known, "@"+bare) })) {
			return found.ID, nil
		}
	}
	return "", fmt.Errorf("its image %s is not here: pull it (docker pull NAME@%s), another one proves nothing", digest, bare)
}

// Drills lists the receipts of drills on this machine, the newest first.
func (o *Operation) Drills() ([]receipt.Receipt, error) { return receipt.List(o.receiptDir()) }

func (o *Operation) receiptDir() string {
	return filepath.Join(o.Project.LocalDir(o.Stack), "receipts")
}

// checkDrill warns, or refuses where the stack file says so, when no drill has
// proven a backup for too long. A stack that has never been up has no backups.
func (o *Operation) checkDrill(ctx context.Context, stack *engine.Stack) (warnings []string, err error) {
	if !o.config.Storage.Protect || o.config.Drill.MaxAge == 0 {
		return nil, nil
	}
	state, err := stack.State(ctx)
	if err != nil || len(state.Resources()) == 0 {
		return nil, err
	}
	if outputs, err := state.Outputs(); err != nil || len(outputs) == 0 {
		return nil, err
	}
	receipts, err := o.Drills()
	if err != nil {
		return nil, err
	}
	stale := receipt.Stale(receipts, time.Now(), time.Duration(o.config.Drill.MaxAge))
	switch {
	case stale == "":
		return nil, nil
	case o.config.Drill.Required:
		return nil, fmt.Errorf("stack %s: %s, and drill.required is on: nothing was changed; prove a backup first (wcrdb drill -s %[1]s), or set drill.required to false", o.Stack, stale)
	}
	return []string{fmt.Sprintf("%s: prove a backup (wcrdb drill -s %s)", stale, o.Stack)}, nil
}
