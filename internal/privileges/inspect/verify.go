package inspect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/witchcityrope/database/internal/privileges"
)

// Verification is what came of comparing a server with what is declared.
type Verification struct {
	// Cells that were compared, and Probes: objects that were created for it.
	Cells  int `json:"cells"`
	Probes int `json:"probes"`
	// Asserted are the cells of the contract that were looked at.
	Asserted int `json:"asserted"`
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
// objects that are there, and on probes that each migrator creates. The caller
// rolls the transaction back.
func Verify(ctx context.Context, tx pgx.Tx, declared privileges.Model, migrators ...Migrator) (Verification, error) {
	v := &verifier{tx: tx, declared: declared, result: Verification{Failing: []Failing{}}}
	var err error
	if v.found, err = Read(ctx, tx); err != nil {
		return v.result, err
	}
	v.declared = withPredefined(declared, v.found)
	if err := v.spellFunctions(ctx); err != nil {
		return v.result, err
	}
	v.checkRoles()
	v.checkMemberships()
	if err := v.compare(ctx, func(object privileges.Object) bool { return !isProbe(object) }); err != nil {
		return v.result, err
	}
	v.checkContract()
	for _, migrator := range migrators {
		if err := v.probe(ctx, migrator); err != nil {
			return v.result, err
		}
	}
	return v.result, nil
}

// ownMemberships are those that PostgreSQL's own roles have of each other.
var ownMemberships = []string{"pg_read_all_settings", "pg_read_all_stats", "pg_stat_scan_tables"}

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
	for _, role := range ownMemberships {
		declared.Memberships = append(declared.Memberships, privileges.Membership{Role: role, Member: "pg_monitor", Inherit: true, Set: true})
	}
	return declared
}

// spellFunctions writes the names of declared functions as the server does,
// which has integer where somebody may have written int.
func (v *verifier) spellFunctions(ctx context.Context) error {
	v.declared.Objects = slices.Clone(v.declared.Objects)
	for i, declared := range v.declared.Objects {
		if _, same := v.found.Find(declared); declared.Class != privileges.Function || declared.Name == "" || same {
			continue
		}
		spelled, err := v.spelled(ctx, declared)
		if err != nil {
			return fmt.Errorf("%s: %w", declared, err)
		}
		if spelled != "" {
			v.declared.Objects[i].Name = spelled
		}
	}
	return nil
}

// spelled is the server's name of a function; empty if there is none, or if
// the types are no types there.
func (v *verifier) spelled(ctx context.Context, function privileges.Object) (name string, err error) {
	name, arguments, given := strings.Cut(function.Name, "(")
	in := quote(function.Schema) + "." + quote(name)
	query, subject := "to_regproc($1)", in
	if given {
		query, subject = "to_regprocedure($1)", in+"("+arguments
	}
	failure := pgx.BeginFunc(ctx, v.tx, func(inner pgx.Tx) error {
		return inner.QueryRow(ctx, "SELECT coalesce((SELECT proname || '(' || oidvectortypes(proargtypes) || ')' FROM pg_proc WHERE oid = "+query+"), '')", subject).Scan(&name)
	})
	var answer *pgconn.PgError
	if errors.As(failure, &answer) {
		return "", nil
	}
	return name, failure
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
		v.checkAttributes(role, declared, known)
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

// checkAttributes compares what no grant gives. A role that nobody has declared
// may have a login: where it may come in is another cell.
func (v *verifier) checkAttributes(found, declared privileges.Role, known bool) {
	if found.Superuser {
		return
	}
	should := declared.Attributes()
	has := found.Attributes()
	for _, attribute := range slices.Sorted(maps.Keys(has)) {
		switch {
		case has[attribute] && !should[attribute] && (known || attribute != privileges.Login):
			v.fail(found.Name, attribute, "the server", true, found.Name+" has that attribute")
		case should[attribute] && !has[attribute] && !declared.Superuser:
			v.fail(found.Name, attribute, "the server", false, found.Name+" lacks that attribute")
		}
	}
}

// checkMemberships compares who may make others, and thereby itself, members of a role.
func (v *verifier) checkMemberships() {
	admins := func(model privileges.Model) map[[2]string]bool {
		found := map[[2]string]bool{}
		for _, membership := range model.Memberships {
			if membership.Admin {
				found[[2]string{membership.Member, membership.Role}] = true
			}
		}
		return found
	}
	should, has := admins(v.declared), admins(v.found)
	for _, pair := range slices.SortedFunc(maps.Keys(has), order) {
		if member, known := findRole(v.found, pair[0]); !should[pair] && !(known && member.Superuser) {
			v.fail(pair[0], privileges.Admin, "role "+pair[1], true, pair[0]+" may make anybody a member of "+pair[1])
		}
	}
	for _, pair := range slices.SortedFunc(maps.Keys(should), order) {
		if !has[pair] {
			v.fail(pair[0], privileges.Admin, "role "+pair[1], false, pair[0]+" is declared to administer "+pair[1])
		}
	}
}

func order(a, b [2]string) int { return slices.Compare(a[:], b[:]) }

func findRole(model privileges.Model, name string) (privileges.Role, bool) {
	i := slices.IndexFunc(model.Roles, func(role privileges.Role) bool { return role.Name == name })
	if i < 0 {
		return privileges.Role{}, false
	}
	return model.Roles[i], true
}

// fail names a cell, once.
func (v *verifier) fail(role string, verb privileges.Privilege, object string, may bool, why string) {
	if !slices.ContainsFunc(v.result.Failing, func(known Failing) bool {
		return known.Role == role && known.Verb == verb && known.Object == object && known.May == may
	}) {
		v.result.Failing = append(v.result.Failing, Failing{role, verb, object, may, why})
	}
}

// compare asks the server about all objects of a kind.
func (v *verifier) compare(ctx context.Context, which func(privileges.Object) bool) error {
	answers, err := Ask(ctx, v.tx, v.found, v.roles, v.bareColumns()...)
	if err != nil {
		return err
	}
	for _, found := range v.found.Objects {
		if which(found) {
			v.compareGrantOptions(found)
		}
	}
	for _, answer := range answers {
		if !which(answer.Object) {
			continue
		}
		found, there := v.found.Find(answer.Object)
		switch {
		case answer.Object.Class == privileges.RoleClass:
			found, there = answer.Object, true
		case answer.Object.Class == privileges.Column && !there: // nothing is granted on it
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

// bareColumns are declared columns that the server has no list for.
func (v *verifier) bareColumns() []privileges.Object {
	return slices.DeleteFunc(slices.Clone(v.declared.Objects), func(declared privileges.Object) bool {
		_, listed := v.found.Find(declared)
		return declared.Class != privileges.Column || listed
	})
}

// compareGrantOptions looks at who may give to others what it has. Owners always may.
func (v *verifier) compareGrantOptions(found privileges.Object) {
	declared, judged := v.place(found)
	if !judged || found.Extension != "" {
		return
	}
	should, has := v.declared.List(declared), v.found.List(found)
	for _, entry := range has {
		if role, known := findRole(v.found, entry.Grantee); entry.Grantable && entry.Grantee != found.Owner && !(known && role.Superuser) && !should.MayGrant(entry.Grantee, entry.Privilege) {
			v.fail(entry.Grantee, entry.Privilege+withGrantOption, describe(found), true, entry.Grantee+" may grant it to others")
		}
	}
	for _, entry := range should {
		if entry.Grantable && entry.Grantee != declared.Owner && !has.MayGrant(entry.Grantee, entry.Privilege) {
			v.fail(entry.Grantee, entry.Privilege+withGrantOption, describe(found), false, entry.Grantee+" is declared to grant it to others")
		}
	}
}

const withGrantOption = " WITH GRANT OPTION"

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
		{Class: of, Schema: object.Schema, Name: object.Name},
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
