package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/dockerengine"
)

// RemoteImage makes an image be present in the engine.
type RemoteImage struct{ engine *engine }

// RemoteImageArgs are the inputs of a RemoteImage.
type RemoteImageArgs struct {
	Name        string  `pulumi:"name"`
	KeepLocally *bool   `pulumi:"keepLocally,optional"`
	ForceRemove *bool   `pulumi:"forceRemove,optional"`
	Platform    *string `pulumi:"platform,optional"`
}

// RemoteImageState is a RemoteImage as it is kept.
type RemoteImageState struct {
	RemoteImageArgs
	ImageID    string `pulumi:"imageId"`
	RepoDigest string `pulumi:"repoDigest"`
}

// Annotate gives the published token.
func (r *RemoteImage) Annotate(a infer.Annotator) { a.SetToken("index/remoteImage", "RemoteImage") }

// Create pulls the image unless the engine has it.
func (r *RemoteImage) Create(
	ctx context.Context, req infer.CreateRequest[RemoteImageArgs],
) (infer.CreateResponse[RemoteImageState], error) {
	state := RemoteImageState{RemoteImageArgs: req.Inputs}
	if req.DryRun {
		return infer.CreateResponse[RemoteImageState]{Output: state}, nil
	}
	engine, err := r.engine.connect(ctx)
	if err != nil {
		return infer.CreateResponse[RemoteImageState]{}, err
	}
	if present, err := state.observe(ctx, engine); err != nil || present {
		return infer.CreateResponse[RemoteImageState]{ID: state.id(), Output: state}, err
	}
	if err := pull(ctx, engine, req.Inputs); err != nil {
		return infer.CreateResponse[RemoteImageState]{}, err
	}
	present, err := state.observe(ctx, engine)
	if err == nil && !present {
		err = fmt.Errorf("image %s: pulled, but the engine does not have it", req.Inputs.Name)
	}
	return infer.CreateResponse[RemoteImageState]{ID: state.id(), Output: state}, err
}

// Update takes over what only Delete looks at.
func (r *RemoteImage) Update(
	_ context.Context, req infer.UpdateRequest[RemoteImageArgs, RemoteImageState],
) (infer.UpdateResponse[RemoteImageState], error) {
	req.State.RemoteImageArgs = req.Inputs
	return infer.UpdateResponse[RemoteImageState]{Output: req.State}, nil
}

// Read notices that the image is gone or has another id.
func (r *RemoteImage) Read(
	ctx context.Context, req infer.ReadRequest[RemoteImageArgs, RemoteImageState],
) (infer.ReadResponse[RemoteImageArgs, RemoteImageState], error) {
	engine, err := r.engine.connect(ctx)
	if err != nil {
		return infer.ReadResponse[RemoteImageArgs, RemoteImageState]{}, err
	}
	present, err := req.State.observe(ctx, engine)
	if err != nil || !present {
		return infer.ReadResponse[RemoteImageArgs, RemoteImageState]{}, err
	}
	req.ID = req.State.id()
	return infer.ReadResponse[RemoteImageArgs, RemoteImageState](req), nil
}

// Delete removes the image unless it is to be kept.
func (r *RemoteImage) Delete(
	ctx context.Context, req infer.DeleteRequest[RemoteImageState],
) (infer.DeleteResponse, error) {
	if value(req.State.KeepLocally) {
		return infer.DeleteResponse{}, nil
	}
	engine, err := r.engine.connect(ctx)
	if err != nil {
		return infer.DeleteResponse{}, err
	}
	_, err = engine.ImageRemove(ctx, req.State.Name, image.RemoveOptions{Force: value(req.State.ForceRemove)})
	if err != nil && !errdefs.IsNotFound(err) {
		return infer.DeleteResponse{}, fmt.Errorf("removing the image %s: %w; keepLocally leaves it alone", req.State.Name, err)
	}
	return infer.DeleteResponse{}, nil
}

// id is the published provider's: image id and name run together.
func (s *RemoteImageState) id() string { return s.ImageID + s.Name }

// observe fills in what the engine knows of the image, if it has it.
func (s *RemoteImageState) observe(ctx context.Context, engine client.ImageAPIClient) (present bool, err error) {
	found, present, err := dockerengine.Image(ctx, engine, s.Name)
	if err != nil || !present {
		return false, err
	}
	s.ImageID = found.ID
	s.RepoDigest = repoDigest(s.Name, found.RepoDigests)
	return true, nil
}

// repoDigest chooses the digest under which the image has this name. An image made here has none.
func repoDigest(name string, digests []string) string {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil {
		return ""
	}
	for _, digest := range digests {
		candidate, err := reference.ParseNormalizedNamed(digest)
		if err == nil && candidate.Name() == named.Name() {
			return digest
		}
	}
	return ""
}

func pull(ctx context.Context, engine client.ImageAPIClient, args RemoteImageArgs) error {
	progress, err := engine.ImagePull(ctx, args.Name, image.PullOptions{Platform: value(args.Platform)})
	if err != nil {
		return fmt.Errorf("pulling the image %s: %w; is the name right and the registry reachable?", args.Name, err)
	}
	if err := errors.Join(followed(progress), progress.Close()); err != nil {
		return fmt.Errorf("pulling the image %s: %w", args.Name, err)
	}
	return nil
}

// followed reads the progress of a pull to its end and returns the error that the engine tells in it, if any.
func followed(progress io.Reader) error {
	for messages := json.NewDecoder(progress); ; {
		var message struct {
			Error string `json:"error"`
		}
		if err := messages.Decode(&message); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		if message.Error != "" {
			return errors.New(message.Error)
		}
	}
}

// byID tells whether an image was meant by its id.
func byID(image string) bool { return strings.HasPrefix(image, "sha256:") }
