package acquire

import (
	"fmt"
	"time"
)

const (
	// failureLasts is how long a failed download is not tried again.
	failureLasts = 24 * time.Hour
	failuresFact = "failed-downloads"
)

// failure is a failed attempt to download something.
type failure struct {
	When time.Time
	Why  string
}

// recentFailures returns why what could not be downloaded lately could not, by
// its name.
func recentFailures() (map[string]string, error) {
	failures := map[string]failure{}
	if err := recall(failuresFact, &failures); err != nil {
		return nil, err
	}
	path, err := factPath(failuresFact)
	if err != nil {
		return nil, err
	}
	reasons := map[string]string{}
	for name, f := range failures {
		if again := f.When.Add(failureLasts); time.Now().Before(again) {
			reasons[name] = fmt.Sprintf("%s (tried at %s, not again before %s unless %s is removed)", f.Why,
				f.When.Local().Format(time.DateTime), again.Local().Format(time.DateTime), path)
		}
	}
	return reasons, nil
}

// noteOutcomes remembers why downloads failed, by name; those without a reason
// are forgotten, as they succeeded.
func noteOutcomes(reasons map[string]string) error {
	if len(reasons) == 0 {
		return nil
	}
	failures := map[string]failure{}
	if err := recall(failuresFact, &failures); err != nil {
		return err
	}
	for name, why := range reasons {
		delete(failures, name)
		if why != "" {
			failures[name] = failure{When: time.Now().UTC(), Why: why}
		}
	}
	return remember(failuresFact, failures)
}
