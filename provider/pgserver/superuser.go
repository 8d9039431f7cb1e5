package pgserver

import (
	"context"
	"fmt"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

var (
	_ infer.CustomResource[SuperuserArgs, SuperuserState]       = (*Superuser)(nil)
	_ infer.CustomCheck[SuperuserArgs]                          = (*Superuser)(nil)
	_ infer.CustomRead[SuperuserArgs, SuperuserState]           = (*Superuser)(nil)
	_ infer.CustomUpdate[SuperuserArgs, SuperuserState]         = (*Superuser)(nil)
	_ infer.ExplicitDependencies[SuperuserArgs, SuperuserState] = (*Superuser)(nil)
)

// Superuser is a running server whose superuser has the provider's current password.
type Superuser struct{ server dialer }

// SuperuserArgs are the inputs of Superuser.
type SuperuserArgs struct {
	Username string  `pulumi:"username" provider:"replaceOnChanges"`
	Verifier string  `pulumi:"verifier" provider:"secret"`
	Server   *string `pulumi:"server,optional"`
}

// SuperuserState is the state of Superuser.
type SuperuserState struct {
	SuperuserArgs
	ServerVersion string `pulumi:"serverVersion"`
	DataDirectory string `pulumi:"dataDirectory"`
}

// Annotate describes the resource.
func (r *Superuser) Annotate(a infer.Annotator) {
	a.Describe(&r, "A running server whose superuser has the provider's current password. It waits for the server to be ready, "+
		"logs in with a fallback password where the current one is not set yet, and sets it. Deleting it changes nothing.")
}

// Annotate describes the inputs.
func (args *SuperuserArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Username, "The provider's own username.")
	a.Describe(&args.Verifier, "SCRAM-SHA-256 verifier of the provider's current password, stored as it is.")
	a.Describe(&args.Server, "What runs the server, for example a container's id. When it changes, readiness is awaited again.")
}

// Annotate describes the outputs.
func (state *SuperuserState) Annotate(a infer.Annotator) {
	a.Describe(&state.ServerVersion, "Version of the server, for example 16.14.")
	a.Describe(&state.DataDirectory, "The server's data directory, as it sees it.")
}

// WireDependencies says that only another server changes the outputs.
func (*Superuser) WireDependencies(f infer.FieldSelector, args *SuperuserArgs, state *SuperuserState) {
	server := f.InputField(&args.Server).Computed()
	f.OutputField(&state.ServerVersion).DependsOn(server)
	f.OutputField(&state.DataDirectory).DependsOn(server)
}

// Check refuses what is no verifier.
func (*Superuser) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[SuperuserArgs], error) {
	args, failures, err := infer.DefaultCheck[SuperuserArgs](ctx, request.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[SuperuserArgs]{Inputs: args, Failures: failures}, err
	}
	failures = identifierFaults(map[string]string{"username": args.Username})
	if !postgres.IsScramVerifier(args.Verifier) {
		failures = append(failures, p.CheckFailure{
			Property: "verifier",
			Reason:   "is not a SCRAM-SHA-256 verifier; give what ScramVerifier makes of the password, never the password itself",
		})
	}
	return infer.CheckResponse[SuperuserArgs]{Inputs: args, Failures: onlyKnown(request.NewInputs, failures)}, nil
}

// Create waits for the server and gives the superuser its password.
func (r *Superuser) Create(ctx context.Context, request infer.CreateRequest[SuperuserArgs]) (infer.CreateResponse[SuperuserState], error) {
	response := infer.CreateResponse[SuperuserState]{ID: request.Inputs.Username, Output: SuperuserState{SuperuserArgs: request.Inputs}}
	if request.DryRun {
		return response, nil
	}
	state, err := r.apply(ctx, request.Inputs)
	response.Output = state
	return response, err
}

// Update does the same again.
func (r *Superuser) Update(ctx context.Context, request infer.UpdateRequest[SuperuserArgs, SuperuserState]) (infer.UpdateResponse[SuperuserState], error) {
	if request.DryRun {
		state := request.State
		state.SuperuserArgs = request.Inputs
		return infer.UpdateResponse[SuperuserState]{Output: state}, nil
	}
	state, err := r.apply(ctx, request.Inputs)
	return infer.UpdateResponse[SuperuserState]{Output: state}, err
}

// Read finds the verifier that the server has.
func (r *Superuser) Read(ctx context.Context, request infer.ReadRequest[SuperuserArgs, SuperuserState]) (infer.ReadResponse[SuperuserArgs, SuperuserState], error) {
	inputs := request.Inputs
	inputs.Username = request.ID
	state := SuperuserState{SuperuserArgs: inputs}
	err := r.server.asSuperuser(ctx, func(s *session) (err error) {
		if state.Verifier, err = s.verifier(ctx, inputs.Username); err != nil {
			return err
		}
		return s.describe(ctx, &state)
	})
	inputs.Verifier = state.Verifier
	return infer.ReadResponse[SuperuserArgs, SuperuserState]{ID: request.ID, Inputs: inputs, State: state}, err
}

// apply gives the superuser the verifier, if it has another one, and proves it with a login.
func (r *Superuser) apply(ctx context.Context, args SuperuserArgs) (SuperuserState, error) {
	state := SuperuserState{SuperuserArgs: args}
	config := infer.GetConfig[Config](ctx)
	if args.Username != config.Username {
		return state, fmt.Errorf("username: %q is not %q, as whom the provider logs in; only its own password can be proven. "+
			"Use the same name for both", args.Username, config.Username)
	}
	if right, err := postgres.CheckScram(config.Password, args.Verifier); err != nil || !right {
		return state, fmt.Errorf("verifier: it does not belong to the provider's password, so setting it would lock the provider out; " +
			"make it from that password")
	}
	err := r.server.asSuperuser(ctx, func(s *session) error {
		current, err := s.verifier(ctx, args.Username)
		if err != nil {
			return err
		}
		if current != args.Verifier {
			if err := s.setVerifier(ctx, args.Username, args.Verifier); err != nil {
				return err
			}
		}
		return s.describe(ctx, &state)
	})
	if err != nil {
		return state, err
	}
	err = r.server.with(ctx, config.withoutFallbacks(), func(*session) error { return nil })
	if err != nil {
		return state, fmt.Errorf("proving the new password of role %q: %w", args.Username, err)
	}
	return state, nil
}

// verifier returns what the server has stored as a role's password: nothing where it has none.
func (s *session) verifier(ctx context.Context, username string) (string, error) {
	var stored *string
	if err := s.QueryRow(ctx, "SELECT rolpassword FROM pg_authid WHERE rolname = $1", username).Scan(&stored); err != nil {
		return "", fmt.Errorf("reading the password verifier of role %q: %w", username, explain(err))
	}
	if stored == nil {
		return "", nil
	}
	return *stored, nil
}

func (s *session) setVerifier(ctx context.Context, username, verifier string) error {
	_, err := s.Exec(ctx, "ALTER ROLE "+postgres.QuoteIdentifier(username)+" PASSWORD "+postgres.QuoteLiteral(verifier))
	if err != nil {
		return fmt.Errorf("setting the password of role %q: %w", username, explain(err))
	}
	return nil
}

func (s *session) describe(ctx context.Context, state *SuperuserState) error {
	row := s.QueryRow(ctx, "SELECT split_part(current_setting('server_version'), ' ', 1), current_setting('data_directory')")
	if err := row.Scan(&state.ServerVersion, &state.DataDirectory); err != nil {
		return fmt.Errorf("asking %s what it is: %w", s.config.address(), explain(err))
	}
	return nil
}
