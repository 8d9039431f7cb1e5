package backup

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/docker/go-units"
)

// Retention says which backups are kept.
type Retention struct {
	// Keep is how long; 0 for ever.
	Keep time.Duration
	// Allowed is how old the newest may be by the schedule: where it is older,
	// backups fail, and nothing is deleted until they succeed again.
	Allowed time.Duration
}

// Expired are the backups that are no longer kept, of those that List lists;
// or why nothing is deleted though some are old. The last good one is always kept.
func (r Retention) Expired(backups []Backup, now time.Time) (expired []Backup, stopped string) {
	var newest *Backup
	for i := range backups {
		if backups[i].Good() {
			newest = &backups[i]
			break
		}
	}
	if r.Keep == 0 {
		return nil, ""
	}
	for _, each := range backups {
		if now.Sub(each.StartedAt) > r.Keep && !each.StartedAt.IsZero() && (newest == nil || each.ID != newest.ID) {
			expired = append(expired, each)
		}
	}
	switch {
	case len(expired) == 0:
		return nil, ""
	case newest == nil:
		return nil, "no backup is good: none is deleted"
	case newest.StartedAt.After(now.Add(skew)):
		return nil, fmt.Sprintf("the newest good backup, %s, is of a time to come: the clock moved back, none is deleted", newest.ID)
	case r.Allowed > 0 && now.Sub(newest.StartedAt) > r.Allowed:
		return nil, fmt.Sprintf("the newest good backup, %s, is %s old, and the schedule allows %s: backups fail, none is deleted",
			newest.ID, units.HumanDuration(now.Sub(newest.StartedAt)), units.HumanDuration(r.Allowed))
	}
	return expired, ""
}

// Make makes a backup, reads all of it, and deletes what is no longer kept:
// before, so that a disk that it has filled has room again, and after.
func (r Retention) Make(ctx context.Context, source Source, options Options) (*Backup, error) {
	if err := r.tidy(options); err != nil && options.Say != nil {
		options.Say("retention: " + err.Error())
	}
	made, err := Make(ctx, source, options)
	if err != nil {
		return nil, err
	}
	if err := made.Prove(ctx); err != nil {
		return nil, err
	}
	return made, r.tidy(options)
}

// tidy says what it deletes. Whoever else has taken the directory does it himself.
func (r Retention) tidy(options Options) error {
	if r.Keep == 0 {
		return nil
	}
	deleted, err := r.Apply(options.Dir, time.Now(), options.Say)
	if options.Say != nil {
		for _, gone := range deleted {
			options.Say("deleted " + gone.ID + ", which is older than is kept")
		}
	}
	if errors.Is(err, ErrBusy) {
		return nil
	}
	return err
}

// Apply deletes what is no longer kept in a directory.
func (r Retention) Apply(dir string, now time.Time, say func(string)) (deleted []Backup, err error) {
	place, err := enter(dir, say)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, place.leave()) }()
	backups, err := List(dir)
	if err != nil {
		return nil, err
	}
	expired, stopped := r.Expired(backups, now)
	if stopped != "" && say != nil {
		say("retention: " + stopped)
	}
	for _, each := range expired {
		if err := place.drop(each); err != nil {
			return deleted, onDisk(dir, err)
		}
		deleted = append(deleted, each)
	}
	return deleted, nil
}
