//go:build !linux

package doctor

// hostPrefixes returns the address ranges of the host's interfaces. Containers
// run in a virtual machine here, so that routes matter less.
func hostPrefixes() ([]hostPrefix, error) { return interfacePrefixes() }
