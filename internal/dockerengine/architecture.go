package dockerengine

import (
	"context"
	"errors"
	"fmt"
)

// Architecture is what the host of the default engine is, by Go's name:
// not always what this machine is.
func Architecture(ctx context.Context) (_ string, err error) {
	engine, err := Connect(ctx, "")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, engine.Close()) }()
	version, err := engine.ServerVersion(ctx)
	if err != nil {
		return "", fmt.Errorf("the architecture of Docker's host: %w", err)
	}
	return version.Arch, nil
}
