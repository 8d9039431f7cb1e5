package attach

import (
	"context"
	"net"
	"strings"
	"testing"

	p "github.com/pulumi/pulumi-go-provider"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
)

// slow is a provider whose Create says that it has begun and then waits to be cancelled.
func slow(begun chan<- struct{}) p.Provider {
	return p.Provider{
		Create: func(ctx context.Context, req p.CreateRequest) (p.CreateResponse, error) {
			if req.DryRun {
				return p.CreateResponse{ID: "preview"}, ctx.Err()
			}
			begun <- struct{}{}
			<-ctx.Done()
			return p.CreateResponse{}, status.FromContextError(ctx.Err()).Err()
		},
	}
}

func dial(t *testing.T, attachment *Attachment, name string) pulumirpc.ResourceProviderClient {
	t.Helper()
	attached := value(t, attachment)
	for entry := range strings.SplitSeq(attached, ",") {
		served, port, _ := strings.Cut(entry, ":")
		if served != name {
			continue
		}
		connection, err := grpc.NewClient(net.JoinHostPort("127.0.0.1", port), grpc.WithTransportCredentials(insecure.NewCredentials()))
		require.NoError(t, err)
		t.Cleanup(func() { require.NoError(t, connection.Close()) })
		return pulumirpc.NewResourceProviderClient(connection)
	}
	t.Fatalf("%s is not in %s", name, attached)
	return nil
}

// value is what one run of an engine is told.
func value(t *testing.T, attachment *Attachment) string {
	t.Helper()
	value, detach, err := attachment.Attach(t.Context())
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, detach()) })
	return value
}

func TestServe(t *testing.T) {
	attachment, err := Serve(t.Context(), map[string]p.Provider{"one": {}, "two": {}})
	require.NoError(t, err)
	assert.Regexp(t, `^one:\d+,two:\d+$`, value(t, attachment))
	info, err := dial(t, attachment, "two").GetPluginInfo(t.Context(), &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, Version, info.GetVersion())
	require.NoError(t, attachment.Close())
	_, err = dial(t, attachment, "two").GetPluginInfo(t.Context(), &emptypb.Empty{})
	assert.Equal(t, codes.Unavailable, status.Code(err))
}

func TestCancelEndsWhatRunsAndNothingElse(t *testing.T) {
	begun := make(chan struct{})
	attachment, err := Serve(t.Context(), map[string]p.Provider{"slow": slow(begun)})
	require.NoError(t, err)
	client := dial(t, attachment, "slow")
	failed := make(chan error)
	go func() {
		_, err := client.Create(t.Context(), &pulumirpc.CreateRequest{})
		failed <- err
	}()
	<-begun
	_, err = client.Cancel(t.Context(), &emptypb.Empty{})
	require.NoError(t, err)
	assert.Equal(t, codes.Canceled, status.Code(<-failed))
	_, err = client.Create(t.Context(), &pulumirpc.CreateRequest{Preview: true})
	require.NoError(t, err, "the phase after the cancelled one must work")
	require.NoError(t, attachment.Close())
}

func TestTheEndOfTheContextEndsServing(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	begun := make(chan struct{})
	attachment, err := Serve(ctx, map[string]p.Provider{"slow": slow(begun)})
	require.NoError(t, err)
	failed := make(chan error)
	go func() {
		_, err := dial(t, attachment, "slow").Create(t.Context(), &pulumirpc.CreateRequest{})
		failed <- err
	}()
	<-begun
	cancel()
	require.Error(t, <-failed)
	require.NoError(t, attachment.Close())
}
