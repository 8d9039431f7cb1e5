package database

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// stackValues are the project's configuration values by key. The keys come
// from the caller, or from the language host, which hands a program its whole
// configuration in PULUMI_CONFIG: the context itself cannot list them, and a
// misspelt key would go unnoticed.
func stackValues(ctx *pulumi.Context, keys []string) (map[string]string, error) {
	prefix := ctx.Project() + ":"
	if keys == nil {
		var handed map[string]string
		if err := json.Unmarshal([]byte(os.Getenv("PULUMI_CONFIG")), &handed); err != nil {
			return nil, fmt.Errorf("PULUMI_CONFIG, which the engine sets: %w", err)
		}
		for key := range handed {
			if name, ours := strings.CutPrefix(key, prefix); ours {
				keys = append(keys, name)
			}
		}
	}
	values := map[string]string{}
	for _, key := range keys {
		if value, given := ctx.GetConfig(prefix + key); given {
			values[key] = value
		}
	}
	return values, nil
}
