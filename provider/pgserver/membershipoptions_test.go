package pgserver

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/internal/pgtest"
)

// membershipOf are inputs.
func membershipOf(role, member string, inherit, set, admin bool) values {
	return values{
		"role": text(role), "member": text(member),
		"inherit": property.New(inherit), "set": property.New(set), "admin": property.New(admin),
	}
}

// optionsOf is how a role is a member of another, over all who granted it.
func optionsOf(t *testing.T, conn *pgx.Conn, role, member string) string {
	t.Helper()
	return query[string](t, conn, `SELECT coalesce(string_agg(concat_ws(' ', CASE WHEN inherit_option THEN 'inherit' END,
			CASE WHEN set_option THEN 'set' END, CASE WHEN admin_option THEN 'admin' END), '; '), 'none')
		FROM pg_auth_members WHERE roleid::regrole = $1::regrole AND member::regrole = $2::regrole`, role, member)
}

func TestMembershipOptionsCheck(t *testing.T) {
	provider := newTestProvider(t, unplugged(new([]Config)))
	assert.Empty(t, provider.faults("MembershipOptions", membershipOf("rw", "app", true, true, false)))
	assert.Contains(t, provider.faults("MembershipOptions", membershipOf("", "app", true, true, false))["role"], "empty")
	_, _, err := parseMembershipID("rw")
	assert.ErrorContains(t, err, "does not name a membership")
	role, member, err := parseMembershipID(MembershipOptionsArgs{Role: "a/b", Member: "c d"}.id())
	require.NoError(t, err)
	assert.Equal(t, []string{"a/b", "c d"}, []string{role, member})
}

func TestMembershipOptions(t *testing.T) {
	server := pgtest.Start(t)
	provider := connected(t, server)
	conn := server.Connect(t)
	execute(t, conn, "CREATE ROLE rw", "CREATE ROLE app LOGIN PASSWORD 'x' IN ROLE rw", "CREATE ROLE boss", "GRANT rw TO boss WITH ADMIN OPTION")
	require.Equal(t, "inherit set", optionsOf(t, conn, "rw", "app"))

	resource := provider.create("MembershipOptions", membershipOf("rw", "app", false, true, false))
	assert.Equal(t, "set", optionsOf(t, conn, "rw", "app"))
	resource.update(membershipOf("rw", "app", true, false, true))
	assert.Equal(t, "inherit admin", optionsOf(t, conn, "rw", "app"))
	require.True(t, resource.refresh())
	assert.False(t, resource.diff(membershipOf("rw", "app", true, false, true)).HasChanges)

	execute(t, conn, "GRANT rw TO app WITH SET TRUE")
	require.True(t, resource.refresh())
	assert.True(t, resource.diff(membershipOf("rw", "app", true, false, true)).HasChanges, "drift")
	resource.update(membershipOf("rw", "app", true, false, true))
	assert.Equal(t, "inherit admin", optionsOf(t, conn, "rw", "app"))

	execute(t, conn, "SET ROLE boss", "GRANT rw TO app WITH SET TRUE", "RESET ROLE")
	require.True(t, resource.refresh())
	assert.True(t, resource.diff(membershipOf("rw", "app", true, false, true)).HasChanges, "somebody else has granted more")
	resource.update(membershipOf("rw", "app", true, false, true))
	assert.Equal(t, "inherit admin", optionsOf(t, conn, "rw", "app"))

	triggered := membershipOf("rw", "app", true, false, true).with("trigger", text("2"))
	execute(t, conn, "REVOKE rw FROM app", "GRANT rw TO app")
	require.True(t, resource.diff(triggered).HasChanges)
	resource.update(triggered)
	assert.Equal(t, "inherit admin", optionsOf(t, conn, "rw", "app"))

	imported := provider.imported("MembershipOptions", "rw/app")
	assert.False(t, imported.inputs.Get("set").AsBool())
	resource.delete()
	assert.Equal(t, "inherit set", optionsOf(t, conn, "rw", "app"), "the usual options")

	resource = provider.create("MembershipOptions", membershipOf("rw", "app", false, true, false))
	execute(t, conn, "REVOKE rw FROM app")
	assert.False(t, resource.refresh(), "gone")
	resource.delete()
	assert.Equal(t, "none", optionsOf(t, conn, "rw", "app"))
}

func TestMembershipOptionsBefore16(t *testing.T) {
	server := pgtest.New(t, "15.18.0-beta.17")
	require.NoError(t, server.Start(t.Context()))
	provider := connected(t, server)
	conn := server.Connect(t)
	execute(t, conn, "CREATE ROLE rw", "CREATE ROLE app IN ROLE rw")
	admin := func() bool {
		return query[bool](t, conn, "SELECT admin_option FROM pg_auth_members WHERE member = 'app'::regrole")
	}
	resource := provider.create("MembershipOptions", membershipOf("rw", "app", true, true, true))
	assert.True(t, admin())
	require.True(t, resource.refresh())
	assert.False(t, resource.diff(membershipOf("rw", "app", true, true, true)).HasChanges)
	resource.delete()
	assert.False(t, admin())
	_, err := provider.tryCreate("MembershipOptions", membershipOf("rw", "app", false, true, false))
	assert.ErrorContains(t, err, "since PostgreSQL 16, and this is 15: leave them out")
}
