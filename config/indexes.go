package config

// Index is an index that the database has beside those that migrations make.
type Index struct {
	Name    string        `json:"name" doc:"its name"`
	Table   string        `json:"table" doc:"of which table"`
	Schema  string        `json:"schema" doc:"where the table is; if empty, the one of database.schemas that has it"`
	Method  string        `json:"method" default:"btree" doc:"btree, hash, gin, gist, spgist or brin"`
	Unique  bool          `json:"unique" doc:"no two rows have the same"`
	Columns []IndexColumn `json:"columns" doc:"what is indexed, in this order; the name of a column alone is one with the usual options"`
	Include []string      `json:"include" doc:"columns that are kept in the index, too, so that a query need not look into the table"`
	Where   string        `json:"where" doc:"only rows for which this is true, as SQL has it, e.g. \"LastLoginAt\" IS NOT NULL"`
}

// IndexColumn is a column of an index, or an expression.
type IndexColumn struct {
	Name          string `json:"name" doc:"a column, as it is spelt in the database"`
	Expression    string `json:"expression" doc:"or an expression, as SQL has it, e.g. lower(\"Email\")"`
	Descending    bool   `json:"descending" doc:"the largest first"`
	Nulls         string `json:"nulls" doc:"first or last; if empty, as if null were the largest"`
	Collation     string `json:"collation" doc:"that of the column if empty; in another schema than pg_catalog: schema.name"`
	OperatorClass string `json:"operatorClass" doc:"that of the type if empty, e.g. gin_trgm_ops; in another schema than the search path's: schema.name"`
}

// UnmarshalText reads a column of which only the name is said.
func (c *IndexColumn) UnmarshalText(name []byte) error {
	*c = IndexColumn{Name: string(name)}
	return nil
}

func (c IndexColumn) String() string {
	if c.Expression != "" {
		return c.Expression
	}
	return c.Name
}

// The positions of nulls in an index.
const (
	NullsFirst = "first"
	NullsLast  = "last"
)
