package acquire

import (
	"context"
	"fmt"

	"github.com/docker/docker/client"

	"github.com/witchcityrope/database/internal/dockerengine"
)

// Image is the image that a server is to run.
type Image struct {
	Ref     string `json:"ref"`
	StandIn bool   `json:"standIn"`
	// Why is why the stand-in is used.
	Why string `json:"why,omitempty"`
}

// FindImage tells which image [ServerImage] would choose without getting any:
// the one asked for, unless only its stand-in is there.
func FindImage(ctx context.Context, engine client.APIClient, ref string) (Image, error) {
	standIn, err := StandInRef()
	if err != nil {
		return Image{}, err
	}
	for _, choice := range []Image{{Ref: ref}, {Ref: standIn, StandIn: true, Why: ref + " is not there"}} {
		if _, there, err := dockerengine.Image(ctx, engine, choice.Ref); err != nil || there {
			return choice, err
		}
	}
	return Image{Ref: ref}, nil
}

// ServerImage gets the image ref into the engine: it is there, or its registry
// gives it. If not, and if standIn allows it, the stand-in image takes its place,
// and the registry is not asked again for a day.
func ServerImage(ctx context.Context, engine client.APIClient, ref string, standIn bool, report Reporter) (Image, error) {
	official := Image{Ref: ref}
	if _, there, err := dockerengine.Image(ctx, engine, ref); err != nil || there {
		return official, err
	}
	why, err := ImageFailure(ref)
	if err != nil {
		return official, err
	}
	if why == "" || !standIn {
		pulled := PullImage(ctx, engine, ref, report)
		if pulled == nil {
			return official, noteOutcomes(map[string]string{ref: ""})
		}
		if ctx.Err() != nil || !standIn {
			return official, pulled
		}
		why = pulled.Error()
		if err := noteOutcomes(map[string]string{ref: why}); err != nil {
			return official, err
		}
	}
	replacement, err := StandInImage(ctx, engine, report)
	if err != nil {
		return official, fmt.Errorf("%s; and there is no stand-in: %w", why, err)
	}
	return Image{Ref: replacement, StandIn: true, Why: why}, nil
}

// ImageFailure tells why an image could not be pulled lately; nothing if it
// could be, or was not tried.
func ImageFailure(ref string) (why string, err error) {
	failures, err := recentFailures()
	return failures[ref], err
}
