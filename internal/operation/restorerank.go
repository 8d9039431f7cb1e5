package operation

import (
	"fmt"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/backup"
)

// mayHold says why a backup's data must not be in this stack: that of another
// one only goes to one of the same rank as it is. A backup of a stack that is not
// known here is taken for production's.
func (o *Operation) mayHold(from backup.Manifest) error {
	if from.Stack == o.Stack && from.Project == o.config.Project {
		return nil
	}
	source := config.Production
	if from.Project == o.config.Project {
		if stack, _, err := o.Project.Config(from.Stack); err == nil && stack.Rank != 0 {
			source = stack.Rank
		}
	}
	target := o.config.Rank
	if o.config.Guarded() {
		target = config.Production
	}
	if source == target {
		return nil
	}
	return fmt.Errorf("backup %s is of stack %s (rank %d), and stack %s has rank %d: data of another rank only comes downwards and masked (wcrdb refresh-data); nothing was touched",
		from.ID, from.Stack, source, o.Stack, target)
}
