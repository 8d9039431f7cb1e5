package attach

import (
	"context"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// interrupter makes the engine's request to cancel end what a provider is doing now. The engine also sends it at the
// end of each phase, and a preview is followed by an update; a provider of the framework would cancel everything that
// comes later too, since its process would end.
type interrupter struct {
	mutex   sync.Mutex
	running map[*context.CancelFunc]struct{}
}

func (i *interrupter) intercept(
	ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler,
) (any, error) {
	if info.FullMethod == pulumirpc.ResourceProvider_Cancel_FullMethodName {
		i.interrupt()
		return &emptypb.Empty{}, nil
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	i.mutex.Lock()
	i.running[&cancel] = struct{}{}
	i.mutex.Unlock()
	defer func() {
		i.mutex.Lock()
		defer i.mutex.Unlock()
		delete(i.running, &cancel)
	}()
	return handle(ctx, req)
}

func (i *interrupter) interrupt() {
	i.mutex.Lock()
	defer i.mutex.Unlock()
	for cancel := range i.running {
		(*cancel)()
	}
}
