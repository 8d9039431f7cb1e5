package operation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/engine"
)

// RootSecret is what Rotate calls the root secret, and with it all passwords.
const RootSecret = "root"

// Rotate changes the password of one login (Logins), of all, or all
// together with the root secret that they come from: it raises a number in the
// stack file, and brings the stack up. Killed in between, the next Up finishes:
// the stack file changes at once or not at all, and says what is wanted.
// Not approved, it leaves the stack file as it was.
func (o *Operation) Rotate(ctx context.Context, login string) (Report, error) {
	if err := o.load(); err != nil {
		return Report{}, err
	}
	if login == config.Superuser && o.config.Target.Type == config.External {
		return Report{}, fmt.Errorf("the superuser of an external server is its operator's: change its password there, and set %s", config.AdministratorPasswordKey)
	}
	var edits []config.Edit
	err := o.alone(ctx, func(stack *engine.Stack) error {
		state, err := stack.State(ctx)
		if err == nil && len(state.Resources()) == 0 {
			err = fmt.Errorf("stack %s has no passwords to rotate: bring it up first (wcrdb up -s %[1]s)", o.Stack)
		}
		if err == nil {
			edits, err = o.rotation(ctx, stack, login)
		}
		return err
	})
	if err != nil {
		return Report{}, err
	}
	before, err := o.editStackFile(edits)
	if err != nil {
		return Report{}, err
	}
	approved, asked := false, *o
	o.Approve = func(forecast consequence.Forecast) error {
		err := asked.approve(forecast)
		approved = approved || err == nil
		return err
	}
	report, err := o.bringUp(ctx)
	if err != nil && !approved {
		return report, errors.Join(err, o.Project.WriteStackFile(o.Stack, before))
	}
	if err != nil {
		return report, fmt.Errorf("%w\n%s has the new number: wcrdb up -s %s finishes the rotation", err, o.Project.StackFile(o.Stack), o.Stack)
	}
	return report, o.retireRoot(ctx)
}

// Logins are those that Rotate knows, and that a stack's passwords are for.
func (o *Operation) Logins() ([]string, error) {
	if err := o.load(); err != nil {
		return nil, err
	}
	return o.config.Access.Logins(), nil
}

// editStackFile edits the stack file, all at once, and returns what it was.
func (o *Operation) editStackFile(edits []config.Edit) (before []byte, err error) {
	path := o.Project.StackFile(o.Stack)
	if before, err = os.ReadFile(path); err != nil {
		return nil, err
	}
	after, err := config.EditFile(before, edits...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return before, o.Project.WriteStackFile(o.Stack, after)
}

// key is the path of a key in the stack file.
func (o *Operation) key(names ...string) []string {
	return append([]string{"config", o.Project.Name + ":" + names[0]}, names[1:]...)
}

// rotation is what the stack file has to say.
func (o *Operation) rotation(ctx context.Context, stack *engine.Stack, login string) ([]config.Edit, error) {
	access := o.config.Access
	all := config.Edit{Path: o.key("access", "generation"), Value: access.Generation + 1}
	switch login {
	case "":
		return []config.Edit{all}, nil
	case RootSecret:
		edits, err := o.newRoot(ctx, stack)
		return append(edits, all), err
	default:
		return []config.Edit{{Path: o.key("access", "generations", login), Value: access.Generations[login] + 1}}, nil
	}
}

// newRoot makes the next root secret the one of all passwords from the next
// generation on. The present one becomes the previous: the logins that clients
// move away from keep their passwords.
func (o *Operation) newRoot(ctx context.Context, stack *engine.Stack) ([]config.Edit, error) {
	access := o.config.Access
	if access.Root.HasPrevious() && !o.config.RootSettled() {
		return nil, fmt.Errorf("logins that clients may still use have passwords of the root secret before this one: rotate them first (wcrdb rotate -s %s), once all clients have the present outputs", o.Stack)
	}
	since := map[string]int{}
	for _, login := range config.LoginNames { // declared ones have no password that clients move away from
		since[login] = access.GenerationOf(login) + 1
	}
	edits := []config.Edit{{Path: o.key("access", "root"), Value: map[string]any{"number": access.Root.Number + 1, "since": since}}}
	if o.config.RootSecretFrom == config.FromLocal {
		return edits, nil // each checkout makes its file on first use
	}
	present, err := o.Project.Encrypted(o.Stack, config.RootSecretKey)
	if err != nil {
		return nil, err
	}
	next, err := stack.NewRootSecret(ctx)
	if err != nil {
		return nil, err
	}
	return append(edits,
		config.Edit{Path: o.key(config.PreviousRootSecretKey), Value: nil},
		config.Edit{Path: o.key(config.RootSecretKey, "secure"), Value: next},
		config.Edit{Path: o.key(config.PreviousRootSecretKey), Value: map[string]any{"secure": present}}), nil
}

// retireRoot takes the previous root secret out of the stack file, once no
// password comes from it.
func (o *Operation) retireRoot(ctx context.Context) error {
	if err := o.load(); err != nil {
		return err
	}
	if !o.rootLeft() {
		return nil
	}
	o.Report("no password comes from the previous root secret any more: it is taken out of %s", o.Project.StackFile(o.Stack))
	_, err := o.editStackFile([]config.Edit{
		{Path: o.key("access", "root"), Value: map[string]any{"number": o.config.Access.Root.Number}},
		{Path: o.key(config.PreviousRootSecretKey), Value: nil},
	})
	if err != nil {
		return err
	}
	_, err = o.bringUp(ctx) // what only the previous root secret explained is forgotten
	return err
}

// rootLeft says whether the stack file has a previous root secret that no password
// comes from. From a previous local one, another checkout may have to find its way.
func (o *Operation) rootLeft() bool {
	return o.config.Access.Root.HasPrevious() && o.config.RootSettled() && o.config.RootSecretFrom != config.FromLocal
}

// interrupted says whether an operation failed because the state and the server
// do not agree on the superuser's password: a run that rotates it was killed.
func interrupted(err error) bool {
	return err != nil && strings.Contains(err.Error(), "password authentication failed")
}

// Pooled is a login as a connection pooler is told of it.
type Pooled struct {
	Login    string `json:"login"`
	Verifier string `json:"verifier"`
}

// Userlist has the SCRAM verifiers of all logins of clients: what a connection
// pooler needs to let them in and to log in for them, without any password.
func (o *Operation) Userlist(ctx context.Context) (list []Pooled, err error) {
	err = o.bare(ctx, func(stack *engine.Stack) error {
		derivation, err := o.derivation(ctx, stack)
		if err != nil {
			return err
		}
		names := o.config.Access.Names()
		for _, client := range config.LoginNames {
			if client == "health" {
				continue // it comes from inside the container
			}
			for _, login := range names.Logins(client) {
				list = append(list, Pooled{login, derivation.Verifier(login, names.Generation(login))})
			}
		}
		for _, role := range o.config.Access.DeclaredLogins() {
			list = append(list, Pooled{role.Name, derivation.Verifier(role.Name, names.Generation(role.Name))})
		}
		return nil
	})
	return list, err
}
