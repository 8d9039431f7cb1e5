// Command pause waits until it is told to stop: all that a container of a test has to do.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	fmt.Println("waiting") // from here on it can be told
	<-stop
}
