package e2e

import (
	"fmt"
	"testing"
	"time"
)

// await polls until a condition holds: until check returns no error.
func await(t testing.TB, within time.Duration, what string, check func() error) {
	t.Helper()
	if err := poll(within, check); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

// poll is await for where no test can be ended: it returns the last error.
func poll(within time.Duration, check func() error) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(within); ; <-tick.C {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("not within %s: %w", within, err)
		}
	}
}
