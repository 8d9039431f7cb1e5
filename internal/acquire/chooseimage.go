package acquire

import (
	"context"
	"fmt"

	"github.com/docker/docker/client"

	"github.com/witchcityrope/database/internal/dockerengine"
)

// ImageChoice is the image that a server is to run.
type ImageChoice struct {
	Ref string
	// Why is why it is not the one that was asked for; empty if it is.
	Why string
}

// FindImage tells which image would be used as things are, and gets none.
func FindImage(ctx context.Context, engine client.APIClient, ref string) (ImageChoice, error) {
	standIn, err := StandInRef()
	if err != nil {
		return ImageChoice{}, err
	}
	for _, choice := range []ImageChoice{{Ref: ref}, {Ref: standIn, Why: ref + " is not there, its stand-in is"}} {
		if _, there, err := dockerengine.Image(ctx, engine, choice.Ref); err != nil || there {
			return choice, err
		}
	}
	return ImageChoice{Ref: ref}, nil
}

// Image makes sure that there is an image: the one asked for, pulled if need
// be, or its stand-in where no registry gives it. A failed pull is not repeated
// for a day.
func Image(ctx context.Context, engine client.APIClient, ref string, report Reporter) (ImageChoice, error) {
	asked := ImageChoice{Ref: ref}
	if _, there, err := dockerengine.Image(ctx, engine, ref); err != nil || there {
		return asked, err
	}
	why, err := ImageFailure(ref)
	if err != nil {
		return asked, err
	}
	if why == "" {
		pulled := PullImage(ctx, engine, ref, report)
		if pulled == nil || ctx.Err() != nil {
			return asked, pulled
		}
		why = pulled.Error()
		if err := noteOutcomes(map[string]string{ref: why}); err != nil {
			return asked, err
		}
	}
	standIn, err := StandInImage(ctx, engine, report)
	if err != nil {
		return asked, fmt.Errorf("%s; and there is no stand-in: %w", why, err)
	}
	return ImageChoice{Ref: standIn, Why: why}, nil
}

// ImageFailure tells why an image could not be pulled lately; nothing if it
// could be, or was not tried.
func ImageFailure(ref string) (why string, err error) {
	failures, err := recentFailures()
	return failures[ref], err
}
