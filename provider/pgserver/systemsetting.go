package pgserver

import (
	"context"
	"fmt"
	"regexp"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
)

var (
	_ infer.CustomResource[SystemSettingArgs, SystemSettingState] = (*SystemSetting)(nil)
	_ infer.CustomCheck[SystemSettingArgs]                        = (*SystemSetting)(nil)
	_ infer.CustomRead[SystemSettingArgs, SystemSettingState]     = (*SystemSetting)(nil)
	_ infer.CustomUpdate[SystemSettingArgs, SystemSettingState]   = (*SystemSetting)(nil)
	_ infer.CustomDelete[SystemSettingState]                      = (*SystemSetting)(nil)
)

// SystemSetting is a setting of the whole server, made by ALTER SYSTEM.
type SystemSetting struct{ server *settingQueue }

// SystemSettingArgs are the inputs of SystemSetting.
type SystemSettingArgs struct {
	Name  string `pulumi:"name" provider:"replaceOnChanges"`
	Value string `pulumi:"value"`
}

// SystemSettingState is the state of SystemSetting.
type SystemSettingState struct {
	SystemSettingArgs
	EffectiveValue string `pulumi:"effectiveValue"`
	TakesEffect    string `pulumi:"takesEffect,optional"` // states of earlier versions have none
	PendingRestart bool   `pulumi:"pendingRestart"`
}

// Annotate describes the resource.
func (r *SystemSetting) Annotate(a infer.Annotator) {
	a.Describe(&r, "A setting of the whole server, made by ALTER SYSTEM and a reload. "+
		"Those that change at the same time share a reload. What the server does not take is put back as it was. "+
		"Deleting it resets the setting. It is imported by the setting's name.")
}

// Annotate describes the inputs.
func (args *SystemSettingArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Name, "Name of the setting, for example work_mem.")
	a.Describe(&args.Value, "Its value, as in postgresql.conf but without quotes, for example 16MB.")
}

// Annotate describes the outputs.
func (state *SystemSettingState) Annotate(a infer.Annotator) {
	a.Describe(&state.EffectiveValue, "The value that the server uses now.")
	a.Describe(&state.TakesEffect, "When the server uses a new value: at a reload, which is done (reload), in sessions that begin after it (new sessions), "+
		"or after a restart, which is not done (restart).")
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
	var err error
	response.Output, err = r.apply(ctx, request.Inputs)
	return response, err
}

// Update makes it again.
func (r *SystemSetting) Update(ctx context.Context, request infer.UpdateRequest[SystemSettingArgs, SystemSettingState]) (infer.UpdateResponse[SystemSettingState], error) {
	if request.DryRun {
		state := request.State
		state.SystemSettingArgs = request.Inputs
		return infer.UpdateResponse[SystemSettingState]{Output: state}, nil
	}
	state, err := r.apply(ctx, request.Inputs)
	return infer.UpdateResponse[SystemSettingState]{Output: state}, err
}

// Read finds what ALTER SYSTEM has made of the setting: nothing means that it is gone. Where the server
// does not use what is written, since somebody wrote it by hand, the value is the one that it uses.
func (r *SystemSetting) Read(ctx context.Context, request infer.ReadRequest[SystemSettingArgs, SystemSettingState]) (infer.ReadResponse[SystemSettingArgs, SystemSettingState], error) {
	var response infer.ReadResponse[SystemSettingArgs, SystemSettingState]
	found, err := r.server.read(ctx, request.ID)
	if err != nil || found.written == nil {
		return response, err
	}
	value := *found.written
	switch {
	case found.isStale(request.State):
		value = *found.effective
	case found.isUnread(request.State):
		value += unread
	case found.Same(value, request.Inputs.Value):
		value = request.Inputs.Value
	}
	response.ID = request.ID
	response.Inputs = SystemSettingArgs{Name: request.ID, Value: value}
	response.State = found.state(response.Inputs)
	return response, nil
}

// Delete resets the setting.
func (r *SystemSetting) Delete(ctx context.Context, request infer.DeleteRequest[SystemSettingState]) (infer.DeleteResponse, error) {
	_, err := r.server.change(ctx, request.State.Name, nil)
	return infer.DeleteResponse{}, err
}

func (r *SystemSetting) apply(ctx context.Context, args SystemSettingArgs) (SystemSettingState, error) {
	found, err := r.server.change(ctx, args.Name, &args.Value)
	return found.state(args), err
}
