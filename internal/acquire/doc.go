// Package acquire gets the tools that a run needs where they are not installed:
// the Pulumi CLI, provider plugins, PostgreSQL server binaries, container images
// and Docker Engine itself.
//
// Whatever is downloaded or built is kept in [CacheDir], put there whole or not
// at all, and guarded by file locks, so that several runs share one copy.
package acquire
