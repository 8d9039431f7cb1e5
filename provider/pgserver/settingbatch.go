package pgserver

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/postgres"
)

// settingBatch are tasks that share sessions and a reload. Each has its own outcome.
type settingBatch []*settingTask

// do reads all settings and changes those that are to change; what the server does not take is put back.
func (b settingBatch) do(ctx context.Context, server dialer, config Config) {
	b.fail(server.with(ctx, config, func(s *session) error {
		if err := b.look(ctx, s); err != nil {
			return err
		}
		if err := s.silence(ctx); err != nil {
			return err
		}
		before := map[*settingTask]*string{}
		var changed settingBatch
		for _, task := range b {
			if !task.change {
				continue
			}
			if task.err = ctx.Err(); task.err != nil {
				continue
			}
			before[task] = task.found.written
			if task.err = s.change(ctx, task); task.err != nil {
				continue
			}
			changed = append(changed, task)
		}
		if len(changed) == 0 {
			return nil
		}
		changed.fail(changed.activate(ctx, server, s))
		changed.putBack(ctx, server, s, before)
		return nil
	}))
}

// change writes what a task wants.
func (s *session) change(ctx context.Context, task *settingTask) error {
	ctx, cancel := steadfast(ctx)
	defer cancel()
	if err := s.alterSystem(ctx, task.name, task.value); err != nil {
		return task.found.explainRefusal(err)
	}
	return nil
}

// fail gives err to all tasks that have no fault of their own.
func (b settingBatch) fail(err error) {
	for _, task := range b {
		if task.err == nil {
			task.err = err
		}
	}
}

// look finds what the server says of the settings.
func (b settingBatch) look(ctx context.Context, s *session) error {
	names := make([]string, len(b))
	for i, task := range b {
		names[i] = task.name
	}
	found, err := s.settings(ctx, names)
	if err != nil {
		return err
	}
	for i, task := range b {
		task.found = found[i]
	}
	return nil
}

// activate reloads the server and proves with a new session, in which nothing is silenced, that it
// has taken the values.
func (b settingBatch) activate(ctx context.Context, server dialer, s *session) error {
	if err := s.reload(ctx); err != nil {
		return err
	}
	return server.with(ctx, s.config, func(fresh *session) error {
		if err := b.look(ctx, fresh); err != nil {
			return err
		}
		var encryption settingBatch
		for _, task := range b {
			if fault := task.found.fault(task.value); fault != "" {
				task.err = fmt.Errorf("%s: %s", task, fault)
			}
			if task.value != nil && strings.HasPrefix(task.name, "ssl") && !task.found.pendingRestart {
				encryption = append(encryption, task)
			}
		}
		if len(encryption) > 0 {
			if err := fresh.checkTLSOffered(ctx); err != nil {
				for _, task := range encryption {
					task.err = errors.Join(task.err, fmt.Errorf("%s: %w", task, err))
				}
			}
		}
		return nil
	})
}

// putBack undoes the changes that have failed, even if nobody waits any more.
func (b settingBatch) putBack(ctx context.Context, server dialer, s *session, before map[*settingTask]*string) {
	var failed settingBatch
	for _, task := range b {
		if task.err != nil {
			failed = append(failed, task)
		}
	}
	if len(failed) == 0 {
		return
	}
	ctx, cancel := steadfast(ctx)
	defer cancel()
	err := server.revive(ctx, s)
	for _, task := range failed {
		if err == nil {
			task.missed(s.alterSystem(ctx, task.name, before[task]))
		}
	}
	if err == nil {
		err = s.reload(ctx)
	}
	for _, task := range failed {
		task.missed(err)
	}
}

// missed adds that the old value could not be put back.
func (t *settingTask) missed(err error) {
	if err != nil {
		t.err = errors.Join(t.err, fmt.Errorf("putting the old value back: %w", err))
	}
}

// String says for messages what is to be changed.
func (t *settingTask) String() string {
	if t.value == nil {
		return "resetting the setting " + t.name
	}
	return fmt.Sprintf("setting %s = %q", t.name, *t.value)
}

// checkTLSOffered proves that the server offers TLS if, and only if, it is switched on: with files that
// it cannot use, the server carries on without TLS, and would not start again.
func (s *session) checkTLSOffered(ctx context.Context) error {
	var on bool
	if err := s.QueryRow(ctx, "SELECT current_setting('ssl')::bool").Scan(&on); err != nil {
		return fmt.Errorf("asking whether TLS is on: %w", explain(err))
	}
	_, err := s.config.presented(ctx)
	switch {
	case !on && errors.Is(err, errNoTLS) || on && err == nil:
		return nil
	case !on:
		return errors.New("the server still offers TLS after the reload; see its log")
	}
	return fmt.Errorf("after the reload no TLS connection could be made, so the old value was put back: %w. "+
		"Are ssl_cert_file and ssl_key_file there, do they match, and may only the server read the key? The server's log says more", err)
}

// alterSystem writes a setting into postgresql.auto.conf, or takes it out. Up to 16 the server has to know
// it, if only because this session has set it (guc.c, AlterSystemSetConfigFile); one of a library that this
// session has loaded it knows or refuses.
func (s *session) alterSystem(ctx context.Context, name string, value *string) error {
	if strings.Contains(name, ".") {
		if _, err := s.Exec(ctx, "SELECT set_config($1, '', false) WHERE current_setting($1, true) IS NULL", name); err != nil {
			return fmt.Errorf("altering the setting %s: %w", name, explain(err))
		}
	}
	statement := "ALTER SYSTEM RESET " + quoteSettingName(name)
	if value != nil {
		statement = "ALTER SYSTEM SET " + quoteSettingName(name) + " = " + postgres.QuoteSetting(name, *value)
	}
	if _, err := s.Exec(ctx, statement); err != nil {
		return fmt.Errorf("altering the setting %s: %w", name, explain(err))
	}
	return nil
}

// quoteSettingName quotes the parts of a name one by one, as ALTER SYSTEM demands.
func quoteSettingName(name string) string {
	return pgx.Identifier(strings.Split(name, ".")).Sanitize()
}
