package operation

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/live"
)

// holder is what a running server keeps across a restart, and the setting that
// has to leave room for it: a server that is started with less does not start.
type holder struct {
	setting string
	what    string
	query   string // the names of what is kept
	release string // how to get rid of one
	fits    func(stack *config.Stack, kept int) bool
}

// atLeast demands that a setting is not below the count.
func atLeast(setting string) func(*config.Stack, int) bool {
	return func(stack *config.Stack, kept int) bool { return stack.SettingNumber(setting) >= float64(kept) }
}

// holders are in the order in which people would clear them away (manual,
// sections 20.4.1 and 20.6.1).
var holders = []holder{
	{
		setting: "max_prepared_transactions", what: "prepared transactions",
		query:   "SELECT gid FROM pg_prepared_xacts ORDER BY 1",
		release: "COMMIT PREPARED or ROLLBACK PREPARED", fits: atLeast("max_prepared_transactions"),
	},
	{
		setting: "max_replication_slots", what: "replication slots",
		query:   "SELECT slot_name FROM pg_replication_slots WHERE NOT temporary ORDER BY 1",
		release: "pg_drop_replication_slot", fits: atLeast("max_replication_slots"),
	},
	{
		setting: "wal_level", what: "physical replication slots",
		query:   "SELECT slot_name FROM pg_replication_slots WHERE NOT temporary AND slot_type = 'physical' ORDER BY 1",
		release: "pg_drop_replication_slot", fits: func(stack *config.Stack, _ int) bool { return stack.SettingWord("wal_level") != "minimal" },
	},
	{
		setting: "wal_level", what: "logical replication slots",
		query:   "SELECT slot_name FROM pg_replication_slots WHERE NOT temporary AND slot_type = 'logical' ORDER BY 1",
		release: "pg_drop_replication_slot", fits: func(stack *config.Stack, _ int) bool { return stack.SettingWord("wal_level") == "logical" },
	},
}

// mayRestart refuses an interruption after which the server would not start
// again, because a setting is lower than what the server keeps: that has to go first.
func (o *Operation) mayRestart(ctx context.Context, stack *engine.Stack, forecast consequence.Forecast) error {
	if !forecast.Class.Interrupts() || o.config.Target.Type != config.Container || o.config.Storage.Type == config.Tmpfs {
		return nil
	}
	derivation, err := o.derivation(ctx, stack)
	if err != nil {
		return err
	}
	current, err := stack.State(ctx)
	if err != nil {
		return err
	}
	name := o.config.Server.Name
	if container, known := current.Find(containerType); known { // which may be about to get another name
		name = string(container.ID)
	}
	server := o.recovery(stack, derivation).server(name)
	if state, err := live.Container(ctx, o.docker, server.Container); err != nil || state != live.Running {
		return err
	}
	connection, err := server.Superuser(ctx, "postgres")
	if err != nil {
		return err
	}
	return errors.Join(obstacles(ctx, connection, o.config), connection.Close(context.WithoutCancel(ctx)))
}

// obstacles are all that a server keeps and that the stack's settings leave no room for.
func obstacles(ctx context.Context, connection *pgx.Conn, stack *config.Stack) error {
	var faults []error
	for _, holder := range holders {
		kept, err := texts(ctx, connection, holder.query)
		if err != nil {
			return fmt.Errorf("asking for %s: %w", holder.what, err)
		}
		wanted := string(stack.Settings[holder.setting])
		if wanted == "" {
			setting, _ := stack.Catalogue().Lookup(holder.setting)
			wanted = setting.Default
		}
		if len(kept) > 0 && !holder.fits(stack, len(kept)) {
			faults = append(faults, fmt.Errorf("settings.%s: %s: the server keeps %d %s (%s) and would not start again; nothing was changed: "+
				"end them first (%s), or leave the setting as it is", holder.setting, wanted, len(kept), holder.what, strings.Join(kept, ", "), holder.release))
		}
	}
	return errors.Join(faults...)
}
