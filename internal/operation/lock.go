package operation

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/gofrs/flock"
)

// lockPoll is how often a run looks whether another one has ended.
const lockPoll = 100 * time.Millisecond

// lock waits until no other run changes the stack. The engine's own lock is held
// only while the engine works, and what a run repairs before is no part of that.
// The operating system releases the lock of a run that is killed.
func (o *Operation) lock(ctx context.Context) (unlock func() error, err error) {
	dir := o.Project.LocalDir(o.Stack)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	file := flock.New(filepath.Join(dir, "lock"))
	free, err := file.TryLock()
	if err == nil && !free {
		o.Report("another run changes stack %s: waiting for its end", o.Stack)
		_, err = file.TryLockContext(ctx, lockPoll)
	}
	if err != nil {
		return nil, fmt.Errorf("lock of stack %s, %s: %w", o.Stack, file.Path(), err)
	}
	return file.Unlock, nil
}
