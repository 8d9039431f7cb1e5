package pgserver

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

var (
	_ infer.CustomResource[SystemSettingArgs, SystemSettingState] = (*SystemSetting)(nil)
	_ infer.CustomCheck[SystemSettingArgs]                        = (*SystemSetting)(nil)
	_ infer.CustomRead[SystemSettingArgs, SystemSettingState]     = (*SystemSetting)(nil)
	_ infer.CustomUpdate[SystemSettingArgs, SystemSettingState]   = (*SystemSetting)(nil)
	_ infer.CustomDelete[SystemSettingState]                      = (*SystemSetting)(nil)
)

// SystemSetting is a setting of the whole server, made by ALTER SYSTEM.
type SystemSetting struct{ server dialer }

// SystemSettingArgs are the inputs of SystemSetting.
type SystemSettingArgs struct {
	Name  string `pulumi:"name" provider:"replaceOnChanges"`
	Value string `pulumi:"value"`
}

// SystemSettingState is the state of SystemSetting.
type SystemSettingState struct {
	SystemSettingArgs
	EffectiveValue string `pulumi:"effectiveValue"`
	PendingRestart bool   `pulumi:"pendingRestart"`
}

// Annotate describes the resource.
func (r *SystemSetting) Annotate(a infer.Annotator) {
	a.Describe(&r, "A setting of the whole server, made by ALTER SYSTEM and a reload. "+
		"What the server does not take is put back as it was. Deleting it resets the setting.")
}

// Annotate describes the inputs.
func (args *SystemSettingArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Name, "Name of the setting, for example work_mem.")
	a.Describe(&args.Value, "Its value, as in postgresql.conf but without quotes, for example 16MB.")
}

// Annotate describes the outputs.
func (state *SystemSettingState) Annotate(a infer.Annotator) {
	a.Describe(&state.EffectiveValue, "The value that the server uses now.")
	a.Describe(&state.PendingRestart, "Whether the server will only use the value after a restart.")
}

var settingName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_$]*(\.[A-Za-z_][A-Za-z0-9_$]*)?$`)

// Check refuses what cannot be the name of a setting.
func (*SystemSetting) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[SystemSettingArgs], error) {
	args, failures, err := infer.DefaultCheck[SystemSettingArgs](ctx, request.NewInputs)
	if err == nil && len(failures) == 0 {
		failures = onlyKnown(request.NewInputs, settingNameFaults(args.Name))
	}
	return infer.CheckResponse[SystemSettingArgs]{Inputs: args, Failures: failures}, err
}

// settingNameFaults refuses what cannot be the name of a setting.
func settingNameFaults(name string) []p.CheckFailure {
	if settingName.MatchString(name) {
		return nil
	}
	return []p.CheckFailure{{
		Property: "name", Reason: fmt.Sprintf("%q is not the name of a setting; write it as in postgresql.conf, for example work_mem", name),
	}}
}

// Create makes the setting.
func (r *SystemSetting) Create(ctx context.Context, request infer.CreateRequest[SystemSettingArgs]) (infer.CreateResponse[SystemSettingState], error) {
	response := infer.CreateResponse[SystemSettingState]{ID: request.Inputs.Name, Output: SystemSettingState{SystemSettingArgs: request.Inputs}}
	if request.DryRun {
		return response, nil
	}
	err := r.apply(ctx, &response.Output)
	return response, err
}

// Update makes it again.
func (r *SystemSetting) Update(ctx context.Context, request infer.UpdateRequest[SystemSettingArgs, SystemSettingState]) (infer.UpdateResponse[SystemSettingState], error) {
	state := request.State
	state.SystemSettingArgs = request.Inputs
	if request.DryRun {
		return infer.UpdateResponse[SystemSettingState]{Output: state}, nil
	}
	err := r.apply(ctx, &state)
	return infer.UpdateResponse[SystemSettingState]{Output: state}, err
}

// Read finds what ALTER SYSTEM has made of the setting: nothing means that it is gone.
func (r *SystemSetting) Read(ctx context.Context, request infer.ReadRequest[SystemSettingArgs, SystemSettingState]) (infer.ReadResponse[SystemSettingArgs, SystemSettingState], error) {
	var response infer.ReadResponse[SystemSettingArgs, SystemSettingState]
	err := r.server.with(ctx, infer.GetConfig[Config](ctx), func(s *session) error {
		found, err := s.setting(ctx, request.ID)
		if err != nil || found.written == nil {
			return err
		}
		value := *found.written
		if postgres.SameSetting(request.ID, value, request.Inputs.Value) {
			value = request.Inputs.Value
		}
		response.ID = request.ID
		response.Inputs = SystemSettingArgs{Name: request.ID, Value: value}
		response.State = SystemSettingState{SystemSettingArgs: response.Inputs}
		found.report(&response.State)
		return nil
	})
	return response, err
}

// Delete resets the setting.
func (r *SystemSetting) Delete(ctx context.Context, request infer.DeleteRequest[SystemSettingState]) (infer.DeleteResponse, error) {
	return infer.DeleteResponse{}, r.server.silently(ctx, func(s *session) error {
		if err := s.alterSystem(ctx, request.State.Name, nil); err != nil {
			return err
		}
		return s.reload(ctx)
	})
}

// apply makes the setting and fills in what became of it; what the server does not take is put back.
func (r *SystemSetting) apply(ctx context.Context, state *SystemSettingState) error {
	return r.server.silently(ctx, func(s *session) error {
		before, err := s.setting(ctx, state.Name)
		if err != nil {
			return err
		}
		if err := s.alterSystem(ctx, state.Name, &state.Value); err != nil {
			return err
		}
		if err := r.activate(ctx, s, state); err != nil {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), restoreLimit)
			defer cancel()
			return errors.Join(err, s.restoreSetting(ctx, state.Name, before.written))
		}
		return nil
	})
}

func (s *session) restoreSetting(ctx context.Context, name string, value *string) error {
	if err := s.alterSystem(ctx, name, value); err != nil {
		return fmt.Errorf("putting the old value back: %w", err)
	}
	if err := s.reload(ctx); err != nil {
		return fmt.Errorf("putting the old value back: %w", err)
	}
	return nil
}

// activate reloads the server and proves with a new session, in which nothing is silenced, that it
// has taken the value.
func (r *SystemSetting) activate(ctx context.Context, s *session, state *SystemSettingState) error {
	if err := s.reload(ctx); err != nil {
		return err
	}
	return r.server.with(ctx, s.config, func(fresh *session) error {
		found, err := fresh.setting(ctx, state.Name)
		if err != nil {
			return err
		}
		if fault := found.fault(); fault != "" {
			return fmt.Errorf("setting %s = %q: %s", state.Name, state.Value, fault)
		}
		found.report(state)
		if strings.HasPrefix(state.Name, "ssl") && !state.PendingRestart {
			return fresh.checkTLSOffered(ctx, state)
		}
		return nil
	})
}

// checkTLSOffered proves that the server offers TLS if, and only if, it is switched on: with files that
// it cannot use, the server carries on without TLS, and would not start again.
func (s *session) checkTLSOffered(ctx context.Context, state *SystemSettingState) error {
	var on bool
	if err := s.QueryRow(ctx, "SELECT current_setting('ssl')::bool").Scan(&on); err != nil {
		return fmt.Errorf("asking whether TLS is on: %w", explain(err))
	}
	_, err := s.config.presented(ctx)
	switch {
	case !on && errors.Is(err, errNoTLS) || on && err == nil:
		return nil
	case !on:
		return fmt.Errorf("setting %s = %q: the server still offers TLS after the reload; see its log", state.Name, state.Value)
	}
	return fmt.Errorf("setting %s = %q: after the reload no TLS connection could be made, so the old value was put back: %w. "+
		"Are ssl_cert_file and ssl_key_file there, do they match, and may only the server read the key? The server's log says more",
		state.Name, state.Value, err)
}

// alterSystem writes a setting into postgresql.auto.conf, or takes it out.
func (s *session) alterSystem(ctx context.Context, name string, value *string) error {
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

// settingFound is what a server says of one setting.
type settingFound struct {
	written   *string // in postgresql.auto.conf
	effective *string
	source    *string
	pending   *bool
	error     *string // why the server did not take what is written
}

func (s *session) setting(ctx context.Context, name string) (found settingFound, err error) {
	err = s.QueryRow(ctx, `
		SELECT file.setting, current_setting(wanted.name, true), setting.source, setting.pending_restart, file.error
		FROM (VALUES ($1::text)) AS wanted (name)
		LEFT JOIN pg_settings AS setting ON lower(setting.name) = lower(wanted.name)
		LEFT JOIN LATERAL (
			SELECT f.setting, f.error FROM pg_file_settings AS f
			WHERE lower(f.name) = lower(wanted.name) AND f.sourcefile LIKE '%postgresql.auto.conf'
			ORDER BY f.seqno DESC LIMIT 1
		) AS file ON true`, name).
		Scan(&found.written, &found.effective, &found.source, &found.pending, &found.error)
	if err != nil {
		return found, fmt.Errorf("reading the setting %s: %w", name, explain(err))
	}
	return found, nil
}

// fault says why the server does not use what is written, or nothing.
func (f settingFound) fault() string {
	switch {
	case f.written == nil:
		return "the server has not kept it in postgresql.auto.conf; see its log"
	case f.error != nil && (f.pending == nil || !*f.pending):
		return fmt.Sprintf("the server did not take it, so the old value was put back (%s); see its log", *f.error)
	case f.source != nil && (*f.source == "command line" || *f.source == "environment variable" || *f.source == "override"):
		return fmt.Sprintf("it has no effect, since the server's %s says otherwise; take the setting out of there, or change it there", *f.source)
	}
	return ""
}

func (f settingFound) report(state *SystemSettingState) {
	if f.effective != nil {
		state.EffectiveValue = *f.effective
	}
	state.PendingRestart = f.pending != nil && *f.pending
}
