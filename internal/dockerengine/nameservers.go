package dockerengine

// NoNameServers are the name servers of a container that has nothing to ask the
// world: Docker's own answers for the networks that it is on, and passes what
// it does not know to one inside the container, where there is none. Left to
// itself it asks those of the host, even for a container without a way out.
func NoNameServers() []string { return []string{"127.0.0.1"} }
