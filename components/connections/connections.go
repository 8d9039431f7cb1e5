// Package connections says how each client reaches the database: in Npgsql's
// form, as a libpq URI and field by field.
package connections

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"

	"github.com/witchcityrope/database/components/access"
	"github.com/witchcityrope/database/config"
	"github.com/witchcityrope/database/internal/password"
)

// internalPort is PostgreSQL's own, inside the network.
const internalPort = 5432

// Connection is one way in for one client. Npgsql, URI and Password are secret.
type Connection struct {
	Npgsql   string
	URI      string
	Host     string
	Port     int
	Database string
	Username string
	Password string
}

// Map is the connection as the outputs have it.
func (c Connection) Map() map[string]any {
	return map[string]any{
		"npgsql": c.Npgsql, "uri": c.URI, "host": c.Host, "port": c.Port,
		"database": c.Database, "username": c.Username, "password": c.Password,
	}
}

// Environment are the variables that a container of the client is started with.
func (c Connection) Environment() map[string]string {
	return map[string]string{
		"ConnectionStrings__DefaultConnection": c.Npgsql,
		"DB_HOST":                              c.Host,
		"DB_PORT":                              strconv.Itoa(c.Port),
		"DB_NAME":                              c.Database,
		"DB_USER":                              c.Username,
		"DB_PASSWORD":                          c.Password,
	}
}

// Client has the two ways in: from inside the database network, and from the host.
type Client struct {
	Name               string
	Internal, External Connection
}

// NewPlan lists the clients in the order of the documentation.
func NewPlan(stack *config.Stack, derivation *password.Derivation) ([]Client, error) {
	names := access.NewNames(stack.Access)
	var clients []Client
	for _, client := range []struct {
		name string
		pool config.Pool
	}{
		{"app", stack.Clients.App}, {"migrator", stack.Clients.Migrator}, {"readonly", stack.Clients.ReadOnly},
		{"monitor", stack.Clients.Monitor}, {"backup", stack.Clients.Backup},
	} {
		login, err := names.Login(client.name)
		if err != nil {
			return nil, err
		}
		connect := func(host string, port int, rootCertificate string) Connection {
			connection := Connection{
				Host: host, Port: port, Database: stack.Database.Name,
				Username: login, Password: derivation.Password(login, names.Generation(login)),
			}
			connection.Npgsql = npgsql(connection, stack, client.pool, rootCertificate)
			connection.URI = uri(connection, stack)
			return connection
		}
		external := connect(stack.Host(), stack.Port(), stack.CAFile())
		internal := external
		if stack.Target.Type == config.Container {
			internal = connect(stack.Network.Alias, internalPort, stack.Clients.RootCertificate)
		}
		clients = append(clients, Client{Name: client.name, Internal: internal, External: external})
	}
	return clients, nil
}

// npgsql writes Npgsql's form (keywords of Npgsql 9). No value needs quoting:
// names are plain identifiers and passwords letters and digits.
func npgsql(c Connection, stack *config.Stack, pool config.Pool, rootCertificate string) string {
	pairs := []string{
		"Host=" + c.Host, fmt.Sprintf("Port=%d", c.Port), "Database=" + c.Database, "Username=" + c.Username, "Password=" + c.Password,
	}
	if encrypted(stack) {
		pairs = append(pairs, "SSL Mode=VerifyFull")
		if stack.Target.Type == config.Container {
			pairs = append(pairs, "Root Certificate="+rootCertificate)
		} else if stack.Target.CAFile != "" {
			pairs = append(pairs, "Root Certificate="+stack.Target.CAFile)
		}
	} else {
		pairs = append(pairs, "SSL Mode=Disable")
	}
	if pool.Pooling {
		pairs = append(pairs, "Pooling=true", fmt.Sprintf("Minimum Pool Size=%d", pool.MinPoolSize),
			fmt.Sprintf("Maximum Pool Size=%d", pool.MaxPoolSize), fmt.Sprintf("Connection Lifetime=%d", pool.ConnectionLifetime))
	} else {
		pairs = append(pairs, "Pooling=false")
	}
	return strings.Join(pairs, ";")
}

// uri writes libpq's form (manual, section 34.1.1.2), without a file's path:
// the client's PGSSLROOTCERT says where the CA is.
func uri(c Connection, stack *config.Stack) string {
	mode := "disable"
	if encrypted(stack) {
		mode = "verify-full"
	}
	address := url.URL{
		Scheme: "postgresql", User: url.UserPassword(c.Username, c.Password),
		Host: net.JoinHostPort(c.Host, strconv.Itoa(c.Port)), Path: c.Database, RawQuery: "sslmode=" + mode,
	}
	return address.String()
}

func encrypted(stack *config.Stack) bool {
	return stack.TLS.Enabled || stack.Target.Type == config.External
}
