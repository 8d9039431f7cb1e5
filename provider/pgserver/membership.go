package pgserver

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/witchcityrope/database/internal/postgres"
)

// membership is that one role is a member of another, and how.
type membership struct {
	group, member       string
	admin, inherit, set bool
	grantor             string
}

// sameAs reports whether two memberships say the same, whoever granted them.
func (m membership) sameAs(other membership) bool {
	m.grantor, other.grantor = "", ""
	return m == other
}

// optionsOfMemberships is the major version that has INHERIT and SET of each membership.
const optionsOfMemberships = 16

// membershipsOf returns the memberships in which any of the roles is the group or the member.
func membershipsOf(ctx context.Context, tx pgx.Tx, roles []string) ([]membership, error) {
	return memberships(ctx, tx, "g.rolname = ANY($1::text[]) OR m.rolname = ANY($1::text[])", roles)
}

// memberships returns those for which a condition holds on the names of the group, g, and of the
// member, m, with each grantor.
func memberships(ctx context.Context, tx pgx.Tx, condition string, args ...any) ([]membership, error) {
	options := "a.inherit_option, a.set_option"
	if majorOf(tx.Conn()) < optionsOfMemberships {
		options = "true, true"
	}
	rows, err := tx.Query(ctx, `SELECT g.rolname, m.rolname, a.admin_option, `+options+`, b.rolname
		FROM pg_auth_members AS a
		JOIN pg_roles AS g ON g.oid = a.roleid
		JOIN pg_roles AS m ON m.oid = a.member
		JOIN pg_roles AS b ON b.oid = a.grantor
		WHERE `+condition+`
		ORDER BY 1, 2, 6`, args...)
	if err != nil {
		return nil, fmt.Errorf("reading memberships: %w", err)
	}
	found, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m membership, err error) {
		return m, row.Scan(&m.group, &m.member, &m.admin, &m.inherit, &m.set, &m.grantor)
	})
	if err != nil {
		return nil, fmt.Errorf("reading memberships: %w", err)
	}
	return found, nil
}

// imposeMemberships makes the roles members of exactly the groups that wanted says. Others who are
// members of the roles stay so.
func imposeMemberships(ctx context.Context, tx pgx.Tx, roles []string, wanted []membership) error {
	current, err := membershipsOf(ctx, tx, roles)
	if err != nil {
		return err
	}
	for _, m := range current {
		if slices.Contains(roles, m.member) && !slices.ContainsFunc(wanted, m.sameAs) {
			if err := m.revoke(ctx, tx); err != nil {
				return err
			}
		}
	}
	for _, m := range wanted {
		if !slices.ContainsFunc(current, m.sameAs) {
			if err := m.grant(ctx, tx); err != nil {
				return err
			}
		}
	}
	return nil
}

func (m membership) grant(ctx context.Context, tx pgx.Tx) error {
	args := MembershipOptionsArgs{Role: m.group, Member: m.member, Admin: m.admin, Inherit: m.inherit, Set: m.set}
	statements, err := args.statements(majorOf(tx.Conn()))
	if err != nil {
		return err
	}
	for _, statement := range statements {
		if _, err := tx.Exec(ctx, statement); err != nil {
			return fmt.Errorf("making role %q a member of %q: %w", m.member, m.group, err)
		}
	}
	return nil
}

func (m membership) revoke(ctx context.Context, tx pgx.Tx) error {
	statement := fmt.Sprintf("REVOKE %s FROM %s GRANTED BY %s CASCADE",
		postgres.QuoteIdentifier(m.group), postgres.QuoteIdentifier(m.member), postgres.QuoteIdentifier(m.grantor))
	if _, err := tx.Exec(ctx, statement); err != nil {
		return fmt.Errorf("ending that role %q is a member of %q: %w", m.member, m.group, err)
	}
	return nil
}
