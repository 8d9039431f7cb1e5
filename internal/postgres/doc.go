// Package postgres knows PostgreSQL's notations: how names and values are quoted in SQL, how a
// password becomes a SCRAM-SHA-256 verifier, and how access rules are written in pg_hba.conf.
//
// It is pure knowledge: no function here talks to a server, a file or Pulumi.
package postgres
