//go:build !linux

package acquire

import (
	"context"
	"errors"
)

// startDocker is for Debian only, which is the only system that Docker Engine is
// installed on.
func startDocker(context.Context) error {
	return errors.New("only a Docker Engine on Linux can be started; start Docker Desktop")
}
