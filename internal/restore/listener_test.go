package restore

import (
	"context"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/internal/pgtools"
)

// What pg_restore means by what it says. It writes a message piece by piece, so
// that those of workers that fail at once get mixed.
func TestListener(t *testing.T) {
	for name, c := range map[string]struct {
		said []string
		want Reason
	}{
		"one worker": {[]string{
			"pg_restore: error: could not read from input file: end of file",
			"pg_restore: error: a worker process died unexpectedly",
		}, Unreadable},
		"two workers at once": {[]string{
			"pg_restore: pg_restore: error: error: could not read from input file: end of file",
			"could not read from input file: end of file",
			"pg_restore: error: a worker process died unexpectedly",
		}, Unreadable},
		"a worker that ends while another says what is none": {[]string{
			"pg_restore: pg_restore: error: could not read from input file: end of file",
			`error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"`,
			"Command was: SET transaction_timeout = 0;",
			"pg_restore: error: a worker process died unexpectedly",
		}, Unreadable},
		"two workers that say at once what is none": {[]string{
			`pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"`,
			`pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"`,
			"Command was: SET transaction_timeout = 0;",
			"Command was: SET transaction_timeout = 0;",
			"pg_restore: warning: errors ignored on restore: 2",
		}, ""},
		"two workers that mix what is none": {[]string{
			`pg_restore: pg_restore: error: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"`,
			`could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"`,
			"Command was: SET transaction_timeout = 0;Command was: SET transaction_timeout = 0;",
			"",
			"pg_restore: warning: errors ignored on restore: 2",
		}, ""},
		"one that says what is none, and one that fails": {[]string{
			`pg_restore: error: could not execute query: ERROR:  unrecognized configuration parameter "transaction_timeout"`,
			`pg_restore: error: could not execute query: ERROR:  role "gone" does not exist`,
			"Command was: SET transaction_timeout = 0;",
			"Command was: ALTER SCHEMA public OWNER TO gone;",
		}, MissingRole},
		"a worker that said nothing": {[]string{
			"pg_restore: error: a worker process died unexpectedly",
		}, NotRestored},
		"a warning before something else": {[]string{
			"pg_restore: warning: could not read something",
			"pg_restore: error: could not execute query: ERROR:  division by zero",
		}, NotRestored},
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			heard := &listener{fail: cancel}
			for _, line := range c.said {
				heard.line(line)
			}
			err := context.Cause(ctx)
			if err == nil {
				err = heard.verdict(&pgtools.Failed{Status: 1})
			}
			assert.Equal(t, c.want, ReasonOf(err), "%v", err)
		})
	}
}
