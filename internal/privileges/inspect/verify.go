package inspect

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/privileges"
)

// Verification is what came of comparing a server with what is declared.
type Verification struct {
	// Cells that were compared, and Probes: objects that were created for it.
	Cells  int `json:"cells"`
	Probes int `json:"probes"`
	// Failing are the cells that are not as declared.
	Failing []Failing `json:"failing"`
}

// Failing is a cell that is not as declared.
type Failing struct {
	Role   string               `json:"role"`
	Verb   privileges.Privilege `json:"verb"`
	Object string               `json:"object"`
	May    bool                 `json:"may"` // and should not; else it should and may not
	Why    string               `json:"why"`
}

func (f Failing) String() string {
	may := "must be allowed and is not"
	if f.May {
		may = "must not be allowed and is"
	}
	return fmt.Sprintf("%s %s on %s %s: %s", f.Role, f.Verb, f.Object, may, f.Why)
}

// verifier compares a server with a declaration.
type verifier struct {
	tx       pgx.Tx
	declared privileges.Model
	found    privileges.Model
	roles    []string
	result   Verification
}

// Verify compares a transaction's database with what is declared: on all
// objects that are there, and on probes that the migrator, if there is one, creates. The caller rolls
// the transaction back.
func Verify(ctx context.Context, tx pgx.Tx, declared privileges.Model, migrator *Migrator) (Verification, error) {
	v := &verifier{tx: tx, declared: declared, result: Verification{Failing: []Failing{}}}
	var err error
	if v.found, err = Read(ctx, tx); err != nil {
		return v.result, err
	}
	v.declared = withPredefined(declared, v.found)
	v.checkRoles()
	if err := v.compare(ctx, func(object privileges.Object) bool { return !isProbe(object) }); err != nil {
		return v.result, err
	}
	if migrator == nil {
		return v.result, nil
	}
	return v.result, v.probe(ctx, *migrator)
}

// withPredefined adds the roles that every cluster has, and their memberships
// of each other.
func withPredefined(declared, found privileges.Model) privileges.Model {
	own := func(role string) bool { return strings.HasPrefix(role, "pg_") }
	declared.Roles = slices.DeleteFunc(slices.Clone(declared.Roles), func(role privileges.Role) bool { return own(role.Name) })
	declared.Memberships = slices.Clone(declared.Memberships)
	for _, role := range found.Roles {
		if own(role.Name) {
			declared.Roles = append(declared.Roles, role)
		}
	}
	for _, membership := range found.Memberships {
		if own(membership.Role) && own(membership.Member) {
			declared.Memberships = append(declared.Memberships, membership)
		}
	}
	return declared
}

// checkRoles finds out whom to ask about: everybody, every declared role, and
// roles that nobody has declared, who must not be able to do anything.
func (v *verifier) checkRoles() {
	v.roles = []string{privileges.Public}
	for _, role := range v.found.Roles {
		if strings.HasPrefix(role.Name, "pg_") {
			continue
		}
		declared, known := findRole(v.declared, role.Name)
		if role.Superuser && !declared.Superuser {
			v.fail(role.Name, privileges.Own, "everything", true, role.Name+" is a superuser")
		}
		if !role.Superuser {
			v.roles = append(v.roles, role.Name)
		}
		if !known {
			v.declared.Roles = append(v.declared.Roles, privileges.Role{Name: role.Name, Inherit: true})
		}
	}
	for _, role := range v.declared.Roles {
		if _, there := findRole(v.found, role.Name); !there {
			v.fail(role.Name, privileges.Usage, "role "+role.Name, false, "there is no such role")
		}
	}
}

func findRole(model privileges.Model, name string) (privileges.Role, bool) {
	i := slices.IndexFunc(model.Roles, func(role privileges.Role) bool { return role.Name == name })
	if i < 0 {
		return privileges.Role{}, false
	}
	return model.Roles[i], true
}

func (v *verifier) fail(role string, verb privileges.Privilege, object string, may bool, why string) {
	v.result.Failing = append(v.result.Failing, Failing{role, verb, object, may, why})
}

// compare asks the server about all objects of a kind.
func (v *verifier) compare(ctx context.Context, which func(privileges.Object) bool) error {
	answers, err := Ask(ctx, v.tx, v.found, v.roles)
	if err != nil {
		return err
	}
	for _, answer := range answers {
		if !which(answer.Object) {
			continue
		}
		found, there := v.found.Find(answer.Object)
		if answer.Object.Class == privileges.RoleClass {
			found, there = answer.Object, true
		}
		declared, judged := v.place(found)
		if !there || !judged || found.Extension != "" && answer.Verb != privileges.Own {
			continue // an extension's script says who may use what it brings
		}
		v.result.Cells++
		should, path := v.declared.May(answer.Role, answer.Verb, declared)
		switch {
		case answer.May && !should:
			_, path := v.found.May(answer.Role, answer.Verb, found)
			v.fail(answer.Role, answer.Verb, describe(found), true, path.String())
		case should && !answer.May:
			v.fail(answer.Role, answer.Verb, describe(found), false, "declared is: "+path.String())
		}
	}
	return nil
}

// place finds what is declared about an object: the one of its name, or the one
// that stands for all of its class in its schema, or in schemas that the
// migrator makes.
func (v *verifier) place(object privileges.Object) (privileges.Object, bool) {
	if object.Extension != "" {
		return privileges.Object{Class: object.Class, Schema: object.Schema, Name: object.Name, Owner: v.superuser(), ACL: object.ACL}, true
	}
	of := object.Class
	if of == privileges.Column {
		of = privileges.Table
	}
	for _, candidate := range []privileges.Object{
		{Class: object.Class, Schema: object.Schema, Name: object.Name, Column: object.Column},
		{Class: of, New: isProbe(object), Schema: object.Schema},
		{Class: of, New: true},
	} {
		if candidate.Schema == "" && candidate.New && object.Class != privileges.Schema && object.Class != privileges.LargeObject && v.declaredSchema(object.Schema) {
			continue
		}
		if declared, known := v.declared.Find(candidate); known {
			return declared, true
		}
	}
	return object, object.Class == privileges.RoleClass
}

func (v *verifier) declaredSchema(name string) bool {
	_, declared := v.declared.Find(privileges.Object{Class: privileges.Schema, Name: name})
	return declared
}

func (v *verifier) superuser() string {
	for _, role := range v.declared.Roles {
		if role.Superuser {
			return role.Name
		}
	}
	return ""
}
