package pgserver

import (
	"context"
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

var (
	_ infer.CustomResource[DatabaseArgs, DatabaseState] = (*Database)(nil)
	_ infer.CustomCheck[DatabaseArgs]                   = (*Database)(nil)
	_ infer.CustomRead[DatabaseArgs, DatabaseState]     = (*Database)(nil)
	_ infer.CustomUpdate[DatabaseArgs, DatabaseState]   = (*Database)(nil)
)

const defaultEncoding = "UTF8"

// Database is a database that exists. It is data, and so never dropped.
type Database struct{ server dialer }

// DatabaseArgs are the inputs of Database.
type DatabaseArgs struct {
	Name             string  `pulumi:"name" provider:"replaceOnChanges"`
	Owner            *string `pulumi:"owner,optional"`
	Encoding         string  `pulumi:"encoding,optional"`
	AllowConnections *bool   `pulumi:"allowConnections,optional"`
}

// DatabaseState is the state of Database.
type DatabaseState struct{ DatabaseArgs }

// Annotate describes the resource.
func (r *Database) Annotate(a infer.Annotator) {
	a.Describe(&r, "A database that exists: one that is there already is adopted, otherwise it is created. "+
		"Deleting the resource never drops the database.")
}

// Annotate describes the inputs.
func (args *DatabaseArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Name, "Name of the database.")
	a.Describe(&args.Owner, "Role that owns the database; not touched if not given.")
	a.Describe(&args.Encoding, "Character set encoding. It cannot be changed once the database exists.")
	a.SetDefault(&args.Encoding, defaultEncoding)
	a.Describe(&args.AllowConnections, "Whether anybody may connect to it.")
	a.SetDefault(&args.AllowConnections, true)
}

// Check reports all faults of the inputs.
func (*Database) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[DatabaseArgs], error) {
	args, failures, err := infer.DefaultCheck[DatabaseArgs](ctx, request.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[DatabaseArgs]{Inputs: args, Failures: failures}, err
	}
	names := map[string]string{"name": args.Name}
	if args.Owner != nil {
		names["owner"] = *args.Owner
	}
	failures = identifierFaults(names)
	return infer.CheckResponse[DatabaseArgs]{Inputs: args, Failures: onlyKnown(request.NewInputs, failures)}, nil
}

// Create makes the database, or adopts it.
func (r *Database) Create(ctx context.Context, request infer.CreateRequest[DatabaseArgs]) (infer.CreateResponse[DatabaseState], error) {
	return created(request, request.Inputs.Name, DatabaseState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs) })
}

// Update changes its owner and whether it allows connections.
func (r *Database) Update(ctx context.Context, request infer.UpdateRequest[DatabaseArgs, DatabaseState]) (infer.UpdateResponse[DatabaseState], error) {
	return updated(request, DatabaseState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs) })
}

// Read finds what the database is like.
func (r *Database) Read(ctx context.Context, request infer.ReadRequest[DatabaseArgs, DatabaseState]) (infer.ReadResponse[DatabaseArgs, DatabaseState], error) {
	var response infer.ReadResponse[DatabaseArgs, DatabaseState]
	err := r.server.with(ctx, infer.GetConfig[Config](ctx), func(s *session) error {
		found, err := s.database(ctx, request.ID)
		if err != nil || found == nil {
			return err
		}
		if request.Inputs.Name != "" && request.Inputs.Owner == nil {
			found.Owner = nil // not managed
		}
		response.ID, response.Inputs, response.State = request.ID, *found, DatabaseState{*found}
		return nil
	})
	return response, err
}

func (r *Database) apply(ctx context.Context, args DatabaseArgs) error {
	return r.server.silently(ctx, func(s *session) error {
		found, err := s.database(ctx, args.Name)
		if err != nil {
			return err
		}
		if found == nil {
			if found, err = s.createDatabase(ctx, args); err != nil {
				return err
			}
		}
		if !sameEncoding(found.Encoding, args.Encoding) {
			return fmt.Errorf("database %q has the encoding %s, not %s, and PostgreSQL cannot change it; "+
				"say %s in the configuration, or dump the data and restore it into another database", args.Name, found.Encoding, args.Encoding, found.Encoding)
		}
		return s.alterDatabase(ctx, args, *found)
	})
}

// database returns what the database is like, or nil where there is none.
func (s *session) database(ctx context.Context, name string) (*DatabaseArgs, error) {
	rows, err := s.Query(ctx, `SELECT pg_get_userbyid(datdba), pg_encoding_to_char(encoding), datallowconn
		FROM pg_database WHERE datname = $1`, name)
	if err != nil {
		return nil, fmt.Errorf("looking for database %q: %w", name, explain(err))
	}
	defer rows.Close()
	var found *DatabaseArgs
	for rows.Next() {
		found = &DatabaseArgs{Name: name}
		if err := rows.Scan(&found.Owner, &found.Encoding, &found.AllowConnections); err != nil {
			return nil, fmt.Errorf("looking for database %q: %w", name, err)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("looking for database %q: %w", name, explain(err))
	}
	return found, nil
}

// createDatabase makes the database from template0, so that nothing that somebody left in template1
// gets into it. Where another run was faster, its database is taken.
func (s *session) createDatabase(ctx context.Context, args DatabaseArgs) (*DatabaseArgs, error) {
	statement := "CREATE DATABASE " + postgres.QuoteIdentifier(args.Name) +
		" TEMPLATE template0 ENCODING " + postgres.QuoteLiteral(args.Encoding)
	if _, err := s.Exec(ctx, statement); err != nil && !isCode(err, duplicateDatabase) {
		return nil, fmt.Errorf("creating database %q: %w", args.Name, explain(err))
	}
	found, err := s.database(ctx, args.Name)
	if err == nil && found == nil {
		err = fmt.Errorf("database %q is gone at the moment it was created: does somebody else drop it?", args.Name)
	}
	return found, err
}

func (s *session) alterDatabase(ctx context.Context, args, found DatabaseArgs) error {
	prefix := "ALTER DATABASE " + postgres.QuoteIdentifier(args.Name)
	var statements []string
	if args.Owner != nil && *args.Owner != *found.Owner {
		statements = append(statements, prefix+" OWNER TO "+postgres.QuoteIdentifier(*args.Owner))
	}
	if args.AllowConnections != nil && *args.AllowConnections != *found.AllowConnections {
		statements = append(statements, fmt.Sprintf("%s ALLOW_CONNECTIONS %t", prefix, *args.AllowConnections))
	}
	for _, statement := range statements {
		if _, err := s.Exec(ctx, statement); err != nil {
			return fmt.Errorf("altering database %q: %w", args.Name, explain(err))
		}
	}
	return nil
}

// sameEncoding compares names of encodings as PostgreSQL does: utf-8 is UTF8.
func sameEncoding(a, b string) bool {
	clean := strings.NewReplacer("-", "", "_", "", " ", "")
	return strings.EqualFold(clean.Replace(a), clean.Replace(b))
}
