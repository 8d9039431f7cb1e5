// Package health judges whether a stack's database is healthy, from what was
// measured of it. It measures nothing itself.
package health

import (
	"slices"
	"strings"
	"time"

	"github.com/witchcityrope/database/config"
)

// Status is what a check came to, or all of them.
type Status string

// The statuses.
const (
	Healthy  Status = "healthy"
	Warning  Status = "warning"
	Critical Status = "critical"
	// NotDeclared is what the stack has nothing of to judge; NotMeasured, what
	// could not be looked at because of something that another check is critical about.
	NotDeclared Status = "not declared"
	NotMeasured Status = "not measured"
)

// Finding is what one check found.
type Finding struct {
	Check  string `json:"check"`
	Status Status `json:"status"`
	// Value was found, Threshold is what it is held against, Remedy what to do.
	Value     string `json:"value"`
	Threshold string `json:"threshold,omitempty"`
	Remedy    string `json:"remedy,omitempty"`
}

// Result is what all checks found.
type Result struct {
	Stack  string    `json:"stack"`
	At     time.Time `json:"at"`
	Status Status    `json:"status"`
	// Findings of the checks, in the order in which a person would look at them.
	Findings []Finding `json:"findings"`
	// Failure is why nothing could be judged.
	Failure string `json:"failure,omitempty"`
}

// Unjudged is the result where nothing could be: silence is not health.
func Unjudged(stack string, at time.Time, failure error) Result {
	return Result{Stack: stack, At: at, Status: Critical, Findings: []Finding{}, Failure: failure.Error()}
}

// verdict is what a check says of what was measured.
type verdict struct {
	status                   Status
	value, threshold, remedy string
}

// check is one judgement. It is not asked where what it needs was not measured.
type check struct {
	name  string
	needs func(Measured) bool
	judge func(*config.Stack, Measured) verdict
}

// checks in the order in which a person would look at them.
var checks = []check{
	{"container", hasContainer, judgeContainer},
	{"server", always, judgeServer},
	{"application", always, judgeApplication},
	{"writable", hasDatabase, judgeWritable},
	{"tables", hasDatabase, judgeTables},
	{"migrations", hasDatabase, judgeMigrations},
	{"connections", hasDatabase, judgeConnections},
	{"cache", hasDatabase, judgeCache},
	{"transactions", hasDatabase, judgeTransactions},
	{"locks", hasDatabase, judgeLocks},
	{"wraparound", hasDatabase, judgeWraparound},
	{"dead rows", hasDatabase, judgeDeadRows},
	{"replication", hasDatabase, judgeReplication},
	{"integrity", hasDatabase, judgeIntegrity},
	{"settings", hasDatabase, judgeSettings},
	{"disk", hasContainer, judgeDisk},
	{"certificate", hasServer, judgeCertificate},
	{"backup", always, judgeBackup},
	{"drill", always, judgeDrill},
}

func always(Measured) bool         { return true }
func hasContainer(m Measured) bool { return m.Container != nil }
func hasServer(m Measured) bool    { return m.Server.Fault == "" }
func hasDatabase(m Measured) bool  { return m.Database != nil }

// Judge holds what was measured against what the stack says is healthy.
func Judge(stack *config.Stack, measured Measured) Result {
	result := Result{Stack: stack.Name, At: measured.At, Status: Healthy}
	for _, check := range checks {
		found := judge(check, stack, measured)
		value := strings.Join(strings.Fields(found.value), " ") // what others said may have several lines
		result.Findings = append(result.Findings, Finding{check.name, found.status, value, found.threshold, found.remedy})
		if worse(found.status, result.Status) {
			result.Status = found.status
		}
	}
	return result
}

func judge(check check, stack *config.Stack, measured Measured) verdict {
	if fault, failed := measured.Faults[check.name]; failed {
		return verdict{status: Critical, value: "could not be looked at: " + fault, remedy: "what cannot be looked at is not healthy: put that right"}
	}
	if !check.needs(measured) {
		if check.name == "container" || check.name == "disk" {
			return verdict{status: NotDeclared, value: "the server is not this stack's to run"}
		}
		return verdict{status: NotMeasured, value: "needs a session, see server"}
	}
	return check.judge(stack, measured)
}

// worse says whether a status outweighs another; those that nothing was found of outweigh none.
func worse(a, b Status) bool {
	order := []Status{Healthy, Warning, Critical}
	return slices.Index(order, a) > slices.Index(order, b)
}
