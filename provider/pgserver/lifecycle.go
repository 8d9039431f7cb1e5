package pgserver

import "github.com/pulumi/pulumi-go-provider/infer"

// created answers the creation of a resource whose state is known from its
// inputs; a preview does nothing.
func created[A, S any](request infer.CreateRequest[A], id string, state S, do func() error) (infer.CreateResponse[S], error) {
	response := infer.CreateResponse[S]{ID: id, Output: state}
	if request.DryRun {
		return response, nil
	}
	return response, do()
}

// updated answers the update of such a resource.
func updated[A, S any](request infer.UpdateRequest[A, S], state S, do func() error) (infer.UpdateResponse[S], error) {
	response := infer.UpdateResponse[S]{Output: state}
	if request.DryRun {
		return response, nil
	}
	return response, do()
}
