package backup

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/docker/go-units"
)

// Progress is how far a backup has come.
type Progress struct {
	// Table is being dumped; TablesDone of Tables are.
	Table      string `json:"table"`
	TablesDone int    `json:"tablesDone"`
	Tables     int    `json:"tables"`
	// Done of Total bytes of tables are dumped; Written is what that took on disk.
	Done    int64         `json:"done"`
	Total   int64         `json:"total"`
	Written int64         `json:"written"`
	Elapsed time.Duration `json:"elapsed"`
}

// Rate is in bytes of tables per second.
func (p Progress) Rate() float64 {
	if p.Elapsed <= 0 {
		return 0
	}
	return float64(p.Done) / p.Elapsed.Seconds()
}

// Left is how long the rest will take at that rate; 0 where nothing can be said.
func (p Progress) Left() time.Duration {
	if p.Done <= 0 {
		return 0
	}
	return time.Duration(float64(p.Elapsed) * float64(p.Total-p.Done) / float64(p.Done)).Round(time.Second)
}

// Percent that is done.
func (p Progress) Percent() int {
	if p.Total == 0 {
		return 0
	}
	return int(100 * p.Done / p.Total)
}

func (p Progress) String() string {
	size := func(bytes float64) string { return units.BytesSize(bytes) }
	text := fmt.Sprintf("%d of %d tables, %s of %s, %s/s", p.TablesDone, p.Tables, size(float64(p.Done)), size(float64(p.Total)), size(p.Rate()))
	if left := p.Left(); left > 0 {
		text += fmt.Sprintf(", %s left", left)
	}
	return text
}

// course follows a dump: pg_dump says when it begins a table, the server how many of its rows are out.
type course struct {
	mu      sync.Mutex
	begun   time.Time
	tables  int
	size    map[string]int64 // by pg_dump's name for a table
	total   int64
	done    int64 // of tables that are out
	count   int
	current string
	part    float64 // of the current table
}

func newCourse(relations []relation) *course {
	made := &course{begun: time.Now(), size: map[string]int64{}, tables: len(relations)}
	for _, table := range relations {
		made.size[table.schema+"."+table.name] = table.size
		made.total += table.size
	}
	return made
}

// heard takes a line of pg_dump --verbose.
func (c *course) heard(line string) {
	_, rest, dumping := strings.Cut(line, `dumping contents of table "`)
	if !dumping {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.finish()
	c.current = strings.TrimSuffix(rest, `"`)
}

// finish counts the current table as done.
func (c *course) finish() {
	if c.current == "" {
		return
	}
	c.done += c.size[c.current]
	c.count++
	c.current, c.part = "", 0
}

func (c *course) progress(written int64) Progress {
	c.mu.Lock()
	defer c.mu.Unlock()
	return Progress{
		Table: c.current, TablesDone: c.count, Tables: c.tables, Total: c.total, Written: written, Elapsed: time.Since(c.begun),
		Done: c.done + int64(c.part*float64(c.size[c.current])),
	}
}

// copying asks how many rows of which table the dump's session has sent.
// Statistics are cached for the length of a transaction unless they are cleared.
const copying = `
SELECT p.relid::oid, p.tuples_processed FROM pg_stat_clear_snapshot(), pg_stat_progress_copy p JOIN pg_stat_activity a USING (pid)
WHERE a.application_name = $1 AND a.datname = current_database()`

// look asks the server how far the current table is.
func (c *course) look(ctx context.Context, s *snapshot, application string) error {
	rows, err := s.tx.Query(ctx, copying, application)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var oid uint32
		var sent int64
		if err := rows.Scan(&oid, &sent); err != nil {
			return err
		}
		c.sent(s.relations, oid, sent)
	}
	return rows.Err()
}

func (c *course) sent(relations []relation, oid uint32, sent int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, table := range relations {
		if table.oid == oid && table.rows > 0 && table.schema+"."+table.name == c.current {
			c.part = min(1, float64(sent)/float64(table.rows))
		}
	}
}
