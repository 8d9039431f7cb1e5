package doctor

import (
	"context"

	"github.com/docker/docker/client"
)

// ExamineEngine runs the checks of a Docker Engine that is connected already.
// An external server needs none.
func ExamineEngine(ctx context.Context, engine client.APIClient, request Request) Report {
	if request.ContainerName == "" {
		return nil
	}
	return examineEngine(ctx, engine, request)
}
