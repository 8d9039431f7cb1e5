// Package testdatabase gives each of many test runs a database of its own:
// cloned from a template that has the migrations, for as long as a lease says.
package testdatabase

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"strings"
	"time"

	"github.com/witchcityrope/database/internal/postgres"
)

// The kinds of databases, as their names have them: <source>_<kind>_<rest>.
const (
	template = "template" // the migrations are in it
	making   = "making"   // is to become a template
	clone    = "run"      // of a test run
)

// key names what goes into a template.
func key(parts ...string) string {
	hash := sha256.New()
	for _, part := range parts {
		fmt.Fprintf(hash, "%d:%s", len(part), part)
	}
	return hex.EncodeToString(hash.Sum(nil))[:16]
}

func nameOf(source, kind, rest string) (string, error) {
	name := source + "_" + kind + "_" + rest
	return name, postgres.ValidateIdentifier(name)
}

// newName names a clone: with the time, so that one whose lease was never
// written down is known to be an orphan one day.
func newName(source string, now time.Time) (string, error) {
	random, err := rand.Int(rand.Reader, big.NewInt(36*36*36*36*36*36))
	if err != nil {
		return "", err
	}
	return nameOf(source, clone, strconv.FormatInt(now.Unix(), 36)+"_"+fmt.Sprintf("%06s", random.Text(36)))
}

// created reads when a clone was made from its name.
func created(source, name string) (time.Time, bool) {
	rest, is := strings.CutPrefix(name, source+"_"+clone+"_")
	seconds, random, parts := strings.Cut(rest, "_")
	if !is || !parts || len(random) != 6 {
		return time.Time{}, false
	}
	number, err := strconv.ParseInt(seconds, 36, 64)
	return time.Unix(number, 0).UTC(), err == nil
}

// lease is what the comment of a clone says.
type lease struct {
	Until    time.Time `json:"until"`
	Holder   string    `json:"holder"`
	Template string    `json:"template"`
}

// unwritten is the lease of a clone that has none yet: the run that makes it
// writes it down at once, or was killed.
const unwritten = 5 * time.Minute

func (l lease) String() string {
	text, err := json.Marshal(l)
	if err != nil {
		panic(err) // texts and a time always marshal
	}
	return string(text)
}

func readLease(comment string, made time.Time) lease {
	var found lease
	if json.Unmarshal([]byte(comment), &found) != nil || found.Until.IsZero() {
		return lease{Until: made.Add(unwritten)}
	}
	return found
}
