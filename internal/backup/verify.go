package backup

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"filippo.io/age"
	"github.com/docker/go-units"
)

// broken is what can have become of a file; the backup is incomplete then.
type broken string

func (b broken) Error() string { return string(b) }

// Is says that it is a kind of ErrIncomplete.
func (b broken) Is(target error) bool { return target == ErrIncomplete }

// What can have become of a file.
const (
	ErrTruncated broken = "truncated"
	ErrDamaged   broken = "damaged"
)

// Verify reads every file and holds it to the manifest.
func (b *Backup) Verify(ctx context.Context) error {
	for _, file := range b.Files {
		if err := b.verify(ctx, file); err != nil {
			return fmt.Errorf("backup %s: %w", b.ID, err)
		}
	}
	if _, has := b.File(DumpFile); !has {
		return fmt.Errorf("backup %s: %w: its manifest has no %s", b.ID, ErrIncomplete, DumpFile)
	}
	return nil
}

func (b *Backup) verify(ctx context.Context, file File) (err error) {
	stored, err := os.Open(filepath.Join(b.Dir, filepath.Base(file.Name)))
	if err != nil {
		return fmt.Errorf("%w: %w", ErrIncomplete, err)
	}
	defer func() { err = errors.Join(err, stored.Close()) }()
	info, err := stored.Stat()
	if err != nil {
		return err
	}
	if info.Size() < file.Size {
		return fmt.Errorf("%w: %s has %s (%d bytes), the manifest says %d", ErrTruncated,
			file.Name, units.BytesSize(float64(info.Size())), info.Size(), file.Size)
	}
	if info.Size() > file.Size {
		return fmt.Errorf("%w: %s has %d bytes, the manifest says %d", ErrIncomplete, file.Name, info.Size(), file.Size)
	}
	sum := sha256.New()
	if _, err := io.Copy(sum, reading{ctx, stored}); err != nil {
		return fmt.Errorf("%s: %w", file.Name, err)
	}
	if got := text(sum); got != file.SHA256 {
		return fmt.Errorf("%w: the SHA-256 of %s is %s, the manifest says %s; its size is right, so a byte was changed", ErrDamaged, file.Name, got, file.SHA256)
	}
	return nil
}

// ErrKey is of an encrypted backup that cannot be decrypted with the keys given.
var ErrKey = errors.New("no key fits")

// Dump opens the dump for pg_restore, decrypted.
func (b *Backup) Dump(identities ...age.Identity) (io.ReadCloser, error) {
	return b.Content(DumpFile, identities...)
}

// Content opens a file by its plain name, decrypted. Reading it to its end fails
// where the content is not what was backed up.
func (b *Backup) Content(name string, identities ...age.Identity) (io.ReadCloser, error) {
	file, has := b.File(name)
	if !has {
		return nil, fmt.Errorf("backup %s: it has no %s", b.ID, name)
	}
	stored, err := os.Open(filepath.Join(b.Dir, filepath.Base(file.Name)))
	if err != nil {
		return nil, fmt.Errorf("backup %s: %w", b.ID, err)
	}
	var plain io.Reader = stored
	if file.Encrypted {
		if plain, err = decrypt(stored, identities); err != nil {
			return nil, errors.Join(fmt.Errorf("backup %s: %s is encrypted for %v: %w", b.ID, file.Name, b.Recipients, err), stored.Close())
		}
	}
	return &content{plain: plain, stored: stored, file: file, sum: sha256.New()}, nil
}

func decrypt(stored io.Reader, identities []age.Identity) (io.Reader, error) {
	if len(identities) == 0 {
		return nil, fmt.Errorf("%w: none was given; name the file of the private key with --identity", ErrKey)
	}
	plain, err := age.Decrypt(stored, identities...)
	var mismatch *age.NoIdentityMatchError
	if errors.As(err, &mismatch) {
		return nil, fmt.Errorf("%w: the private key given is another one's; name the right file with --identity", ErrKey)
	}
	return plain, err
}

// content is a file's plain content, whose end is held to the manifest.
type content struct {
	plain  io.Reader
	stored *os.File
	file   File
	sum    hash.Hash
}

func (c *content) Read(into []byte) (int, error) {
	n, err := c.plain.Read(into)
	c.sum.Write(into[:n])
	if errors.Is(err, io.EOF) && text(c.sum) != c.file.PlainSHA256 {
		return n, fmt.Errorf("%w: the SHA-256 of the content of %s is %s, the manifest says %s", ErrDamaged, c.file.Name, text(c.sum), c.file.PlainSHA256)
	}
	return n, err
}

func (c *content) Close() error { return c.stored.Close() }

// reading stops when it is cancelled.
type reading struct {
	ctx  context.Context
	from io.Reader
}

func (r reading) Read(into []byte) (int, error) {
	if err := r.ctx.Err(); err != nil {
		return 0, err
	}
	return r.from.Read(into)
}

func text(sum hash.Hash) string { return hex.EncodeToString(sum.Sum(nil)) }
