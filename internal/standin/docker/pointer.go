package docker

// value returns what a pointer points to, or the zero value.
func value[T any](pointer *T) T {
	if pointer == nil {
		var zero T
		return zero
	}
	return *pointer
}

// or returns what a pointer points to, or the default.
func or[T any](pointer *T, otherwise T) T {
	if pointer == nil {
		return otherwise
	}
	return *pointer
}

// refresh replaces an input that was given by what is really there, when the two differ.
func refresh[T comparable](input **T, actual T) {
	if *input != nil && **input != actual {
		*input = &actual
	}
}

// adopt replaces an input by what is really there, for an import, which has no inputs, or when the two differ.
func adopt[T comparable](input **T, actual T, imported bool) {
	if imported {
		*input = &actual
		return
	}
	refresh(input, actual)
}
