// Command wcrdb runs the declared database: it brings a stack up, previews,
// refreshes and takes it down, and tells how to connect.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// Exit statuses.
const (
	exitFailure = 1
	exitUsage   = 2
	exitPending = 7 // changes are pending, where --expect-no-changes asked
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRoot().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "wcrdb:", err)
		os.Exit(exitStatus(err))
	}
}

// status is an error with an exit status of its own.
type status struct {
	error
	code int
}

func (s status) Unwrap() error { return s.error }

func exitStatus(err error) int {
	var with status
	if errors.As(err, &with) {
		return with.code
	}
	return exitFailure
}
