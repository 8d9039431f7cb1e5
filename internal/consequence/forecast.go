package consequence

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/witchcityrope/database/internal/engine"
)

// Effect is one change and what it means.
type Effect struct {
	engine.Change
	Class  Class  `json:"class"`
	Reason string `json:"reason,omitempty"`
	// Seconds of interruption to be expected.
	Seconds float64 `json:"seconds,omitempty"`
	// NeedsAllow: nothing is done unless the change is allowed by its name.
	NeedsAllow bool `json:"needsAllow,omitempty"`
}

// Forecast is what all changes of a run mean together.
type Forecast struct {
	// Class is the dearest of all effects.
	Class Class `json:"class"`
	// Seconds of interruption to be expected in all.
	Seconds float64 `json:"seconds"`
	// Measured: Seconds are those of the last interruption of the same class, not a guess.
	Measured bool     `json:"measured"`
	Effects  []Effect `json:"effects"`
}

// Facts are what a forecast needs to know beside the changes.
type Facts struct {
	// Context of a setting in the server's catalogue; empty for an unknown one.
	Context func(setting string) string
	// Interruptions are how long the last one of each class was, where one was measured.
	Interruptions map[Class]time.Duration
	// Repairs are resources that are replaced to repair them, with the reason.
	Repairs map[string]string
}

// guess is how long an interruption takes where none was measured.
const guess = 3 * time.Second

// New classes changes. The dearest come first.
func New(changes []engine.Change, facts Facts) Forecast {
	forecast := Forecast{Effects: []Effect{}}
	run := of(changes, facts)
	for _, change := range changes {
		effect := run.judge(change)
		effect.Change = change
		effect.NeedsAllow = effect.NeedsAllow || effect.Class == DataLoss
		if effect.Class.Interrupts() && change.Type == containerType && change.Operation != "delete" {
			took, measured := expected(facts, effect.Class)
			effect.Seconds, forecast.Measured = took.Seconds(), measured
		}
		forecast.Class = max(forecast.Class, effect.Class)
		forecast.Seconds = max(forecast.Seconds, effect.Seconds)
		forecast.Effects = append(forecast.Effects, effect)
	}
	slices.SortStableFunc(forecast.Effects, func(a, b Effect) int { return int(b.Class) - int(a.Class) })
	return forecast
}

func expected(facts Facts, class Class) (took time.Duration, measured bool) {
	if took, measured = facts.Interruptions[class]; measured {
		return took, true
	}
	return guess, false
}

// Interruption is the class of what keeps the server away; Online if nothing does.
func (f Forecast) Interruption() Class {
	for _, effect := range f.Effects {
		if effect.Seconds > 0 {
			return effect.Class
		}
	}
	return Online
}

// Refused are the effects that need to be allowed by name, and are not.
func (f Forecast) Refused(allowed []string) []Effect {
	return f.filter(func(e Effect) bool { return e.NeedsAllow && !slices.Contains(allowed, e.Name) })
}

// Asks are the effects that interrupt, and were not allowed by name.
func (f Forecast) Asks(allowed []string) []Effect {
	return f.filter(func(e Effect) bool { return e.Class.Interrupts() && !slices.Contains(allowed, e.Name) })
}

func (f Forecast) filter(keep func(Effect) bool) []Effect {
	var kept []Effect
	for _, effect := range f.Effects {
		if keep(effect) {
			kept = append(kept, effect)
		}
	}
	return kept
}

// Summary is the forecast in one line.
func (f Forecast) Summary() string {
	if len(f.Effects) == 0 {
		return "up would change nothing"
	}
	var counts []string
	for _, class := range slices.Backward(Classes()) {
		if n := len(f.filter(func(e Effect) bool { return e.Class == class })); n > 0 {
			counts = append(counts, fmt.Sprintf("%d %s", n, class))
		}
	}
	line := strings.ToUpper(f.Class.String())
	if f.Class != DataLoss {
		line = f.Class.String()
	}
	switch {
	case f.Seconds > 0:
		line += ", " + f.interruption()
	case !f.Class.Interrupts():
		line += ", no interruption"
	}
	return fmt.Sprintf("%s (%s)", line, strings.Join(counts, ", "))
}

// interruption says how long the server is away, and how that is known.
func (f Forecast) interruption() string {
	how := "a guess: none was measured yet"
	if f.Measured {
		how = "as long as the last one"
	}
	return fmt.Sprintf("about %s of interruption, %s", Seconds(f.Seconds), how)
}

// Seconds writes a number of seconds.
func Seconds(seconds float64) string { return fmt.Sprintf("%.1f s", seconds) }
