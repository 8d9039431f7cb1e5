package pgserver

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/catalogue"
)

// When the server uses a new value of a setting.
const (
	atReload      = "reload"
	inNewSessions = "new sessions"
	atRestart     = "restart"
)

// settingFound is what a server says of one setting.
type settingFound struct {
	catalogue.Setting         // without a context where no library that the session has loaded knows the name
	effective         *string // as it is shown
	reset             string  // as it is kept, in the setting's unit
	source            string
	pendingRestart    bool
	written           *string // in postgresql.auto.conf
	error             *string // why the server did not take what is written
}

// facts finds what any login may know of the named settings, in their order.
func (s *session) facts(ctx context.Context, names []string) ([]settingFound, error) {
	rows, err := s.Query(ctx, `
		SELECT wanted.name, coalesce(context, ''), coalesce(vartype, 'string'), coalesce(unit, ''), coalesce(min_val, ''), coalesce(max_val, ''),
			coalesce(enumvals, '{}'), current_setting(wanted.name, true), coalesce(reset_val, ''), coalesce(source, ''), coalesce(pending_restart, false)
		FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, number)
		LEFT JOIN pg_settings AS setting ON lower(setting.name) = lower(wanted.name)
		ORDER BY wanted.number`, names)
	if err != nil {
		return nil, fmt.Errorf("reading settings: %w", explain(err))
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f settingFound, err error) {
		return f, row.Scan(&f.Name, &f.Context, &f.Type, &f.Unit, &f.Min, &f.Max, &f.Values, &f.effective, &f.reset, &f.source, &f.pendingRestart)
	})
	if err != nil {
		return nil, fmt.Errorf("reading settings: %w", explain(err))
	}
	for i := range all {
		all[i].Synonyms = s.synonyms(all[i].Name)
	}
	return all, nil
}

// synonyms are the spellings that an enumeration takes and pg_settings does not list; of a server that
// there is no catalogue for, none are known.
func (s *session) synonyms(name string) map[string]string {
	known, err := catalogue.For(s.major())
	if err != nil {
		return nil
	}
	setting, _ := known.Lookup(name)
	return setting.Synonyms
}

// settings finds what the server says of the named settings, in their order.
func (s *session) settings(ctx context.Context, names []string) ([]settingFound, error) {
	all, err := s.facts(ctx, names)
	if err != nil {
		return nil, err
	}
	rows, err := s.Query(ctx, `
		SELECT DISTINCT ON (wanted.number) wanted.number, file.setting, file.error
		FROM unnest($1::text[]) WITH ORDINALITY AS wanted (name, number)
		JOIN pg_file_settings AS file ON lower(file.name) = lower(wanted.name)
		WHERE file.sourcefile LIKE '%postgresql.auto.conf'
		ORDER BY wanted.number, file.seqno DESC`, names)
	if err == nil {
		var number int
		var written, fault *string
		_, err = pgx.ForEachRow(rows, []any{&number, &written, &fault}, func() error {
			all[number-1].written, all[number-1].error = written, fault
			return nil
		})
	}
	if err != nil {
		return nil, all[0].explainRefusal(fmt.Errorf("reading postgresql.auto.conf: %w", explain(err)))
	}
	return all, nil
}

// fault says why the server does not use what was to be written, or nothing.
func (f settingFound) fault(want *string) string {
	switch {
	case want == nil && f.written == nil:
		return ""
	case want == nil:
		return "it is still in postgresql.auto.conf; see the server's log"
	case f.written == nil:
		return "the server has not kept it in postgresql.auto.conf; see its log"
	case !f.Same(*f.written, *want):
		return fmt.Sprintf("postgresql.auto.conf has %q: does somebody else change it at the same time?", *f.written)
	case f.error != nil && !f.pendingRestart:
		return fmt.Sprintf("the server did not take it, so the old value was put back (%s); see its log", *f.error)
	case slices.Contains([]string{"command line", "environment variable", "override"}, f.source):
		return fmt.Sprintf("it has no effect, since the server's %s says otherwise; take the setting out of there, or change it there", f.source)
	case f.fromFile() && !f.pendingRestart && !f.keeps(*want):
		return fmt.Sprintf("the server uses %q instead, so the old value was put back; see its log", f.reset)
	}
	return ""
}

// fromFile reports whether the session shows what the configuration files say: a setting of the login
// or of the database comes before.
func (f settingFound) fromFile() bool { return f.source == "configuration file" }

// isStale reports whether the server, without waiting for a restart, uses another value than it did when
// the state was made, although the same may be written: somebody wrote it by hand.
func (f settingFound) isStale(state SystemSettingState) bool {
	return f.fromFile() && f.effective != nil && !state.PendingRestart && !f.pendingRestart &&
		state.EffectiveValue != "" && *f.effective != state.EffectiveValue && f.Same(*f.written, state.Value)
}

// unread follows a value that is written and that the server has not read.
const unread = ", which the server has not read yet"

// isUnread reports whether another value is written than the state has, and the server goes on with its
// old one: it was not told to reload, because a run was killed in between or somebody edited the file.
func (f settingFound) isUnread(state SystemSettingState) bool {
	return f.effective != nil && *f.effective == state.EffectiveValue && !f.pendingRestart && f.error == nil &&
		!f.Same(*f.written, state.Value) && (f.Type == catalogue.String || !f.keeps(*f.written))
}

// keeps reports whether the server uses a value. Some settings show more than they are: it is not shown
// values that are compared. The server rewrites texts, and may know spellings that we do not.
func (f settingFound) keeps(value string) bool {
	_, fault := f.Parse(value)
	return f.Type == catalogue.String || fault != nil || f.Same(f.reset, value)
}

// state is what the resource keeps.
func (f settingFound) state(args SystemSettingArgs) SystemSettingState {
	state := SystemSettingState{SystemSettingArgs: args, EffectiveValue: args.Value, TakesEffect: f.takesEffect(), PendingRestart: f.pendingRestart}
	if f.effective != nil && (f.fromFile() || f.pendingRestart) {
		state.EffectiveValue = *f.effective
	}
	return state
}

// takesEffect follows from the setting's context; libraries are loaded when a session begins.
func (f settingFound) takesEffect() string {
	switch f.Context {
	case catalogue.Postmaster, catalogue.Internal:
		return atRestart
	case catalogue.Backend, catalogue.SuperuserBackend:
		return inNewSessions
	}
	switch strings.ToLower(f.Name) {
	case "session_preload_libraries", "local_preload_libraries":
		return inNewSessions
	}
	return atReload
}

// explainRefusal says what to do where the server lets nobody, or not this login, change settings of the
// whole server, as is usual where somebody else operates it.
func (f settingFound) explainRefusal(err error) error {
	if !isCode(err, insufficientPrivilege, featureNotSupported) {
		return err
	}
	elsewhere := "change it where whoever operates the server offers it"
	if f.Context == "" || f.Context.PerRole() {
		elsewhere = "make it a default of a database or role instead (SessionDefault), or " + elsewhere
	}
	return fmt.Errorf("%w. This server does not let the login change settings of the whole server, as is usual with managed PostgreSQL; %s", err, elsewhere)
}
