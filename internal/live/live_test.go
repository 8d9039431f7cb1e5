package live

import (
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/docker/docker/client"
	"github.com/jackc/pgx/v5/pgproto3"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/internal/password"
)

// dockerless is an Engine that has no containers.
func dockerless(t *testing.T) client.APIClient {
	t.Helper()
	engine := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(engine.Close)
	made, err := client.NewClientWithOpts(client.WithHost("tcp://"+strings.TrimPrefix(engine.URL, "http://")), client.WithVersion("1.44"))
	require.NoError(t, err)
	return made
}

// superuserServer answers logins, in clear, until the test ends: right says
// whether a password is right.
func superuserServer(t *testing.T, right func(given string) bool) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan struct{})
	t.Cleanup(func() { assert.NoError(t, listener.Close()); <-done })
	go func() {
		defer close(done)
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			answer(connection, right)
			_ = connection.Close() // the client may have closed it
		}
	}()
	return listener.Addr().(*net.TCPAddr).Port
}

func answer(connection net.Conn, right func(given string) bool) {
	backend := pgproto3.NewBackend(connection, connection)
	for {
		first, err := backend.ReceiveStartupMessage()
		if err != nil {
			return
		}
		if _, is := first.(*pgproto3.SSLRequest); !is {
			break
		}
		if _, err := connection.Write([]byte("N")); err != nil {
			return
		}
	}
	backend.Send(&pgproto3.AuthenticationCleartextPassword{})
	if backend.Flush() != nil || backend.SetAuthType(pgproto3.AuthTypeCleartextPassword) != nil {
		return
	}
	message, err := backend.Receive()
	given, is := message.(*pgproto3.PasswordMessage)
	if err != nil || !is {
		return
	}
	if right(given.Password) {
		backend.Send(&pgproto3.AuthenticationOk{})
		backend.Send(&pgproto3.ReadyForQuery{TxStatus: 'I'})
	} else {
		backend.Send(&pgproto3.ErrorResponse{Severity: "FATAL", Code: "28P01", Message: "password authentication failed"})
	}
	if backend.Flush() == nil {
		_, _ = backend.Receive() // until the client leaves
	}
}

// TestSuperuserWhileItsPasswordChanges: a rotation sets the present password
// after it was tried, and before the previous one is.
func TestSuperuserWhileItsPasswordChanges(t *testing.T) {
	derivation, err := password.NewDerivation("a root secret of the tests, long enough", "dev")
	require.NoError(t, err)
	present, previous := derivation.Password("postgres", 2), derivation.Password("postgres", 1)
	var tried []string
	port := superuserServer(t, func(given string) bool {
		tried = append(tried, given)
		return given == present && len(tried) > 1
	})
	stack := configtest.Stack(t, "dev", map[string]string{
		"access":  `{"generation": 2}`,
		"network": fmt.Sprintf(`{"publish": {"port": %d}}`, port),
	})
	session, err := Server{Engine: dockerless(t), Container: "none", Stack: stack, Derivation: derivation}.Superuser(t.Context(), "postgres")
	require.NoError(t, err)
	require.NoError(t, session.Close(t.Context()))
	assert.Equal(t, []string{present, previous}, tried[:2])
	assert.Equal(t, present, tried[len(tried)-1])
}
