package indexes

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// unused lists the indexes of the database that no query has used and no
// constraint rests on, with the time since which that was counted: since it was
// set to nothing by hand, or since a crash, which is what the counters of the
// archiver, that are there from the beginning, were set to nothing by. Those that
// this run has built had no time to be.
func (r *run) unused(ctx context.Context, results []Result) (unused []Unused, since time.Time, err error) {
	rows, _ := r.reader.Query(ctx, `SELECT c.relname, format('%I.%I', n.nspname, t.relname), pg_relation_size(c.oid)
		FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
		WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema' AND c.relkind = 'i' AND i.indisvalid AND NOT i.indisunique
			AND NOT EXISTS (SELECT FROM pg_constraint s WHERE s.conindid = i.indexrelid)
			AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid IN (t.oid, c.oid) AND d.deptype = 'e')
			AND coalesce(pg_stat_get_numscans(c.oid), 0) = 0
		ORDER BY 3 DESC, 2, 1`)
	all, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Unused])
	if err != nil {
		return nil, since, fmt.Errorf("unused indexes: %w", err)
	}
	unused = []Unused{}
	for _, index := range all {
		if !built(results, index) {
			unused = append(unused, index)
		}
	}
	err = r.reader.QueryRow(ctx, `SELECT coalesce(greatest(
		(SELECT stats_reset FROM pg_stat_database WHERE datname = current_database()), (SELECT stats_reset FROM pg_stat_archiver)), pg_postmaster_start_time())`).Scan(&since)
	return unused, since, err
}

func built(results []Result, index Unused) bool {
	for _, result := range results {
		if result.Outcome == Built && result.Name == index.Name {
			return true
		}
	}
	return false
}
