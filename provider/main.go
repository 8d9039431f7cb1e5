// Command pulumi-resource-pgserver serves the pgserver provider to the Pulumi engine.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/witchcityrope/database/provider/pgserver"
)

func main() {
	if err := serve(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "pgserver:", err)
		os.Exit(1)
	}
}

func serve(ctx context.Context) error {
	provider, err := pgserver.New()
	if err != nil {
		return err
	}
	return provider.Run(ctx, pgserver.Name, pgserver.Version)
}
