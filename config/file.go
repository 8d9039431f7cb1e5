package config

import (
	"encoding/json"
	"fmt"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

// ReadFile reads the project's configuration values from a stack file
// (Pulumi.<stack>.yaml), in the form that Decode takes: as the engine would
// hand them to the program. Encrypted values come back empty.
func ReadFile(path, project string) (map[string]string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("stack file: %w", err)
	}
	var file struct {
		Config map[string]any `yaml:"config"`
	}
	if err := yaml.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("stack file %s: %w", path, err)
	}
	values := map[string]string{}
	for key, value := range file.Config {
		name, ours := strings.CutPrefix(key, project+":")
		if !ours {
			continue
		}
		if values[name], err = asEngine(value); err != nil {
			return nil, fmt.Errorf("stack file %s: %s: %w", path, key, err)
		}
	}
	return values, nil
}

func asEngine(value any) (string, error) {
	switch value := value.(type) {
	case nil:
		return "", nil
	case string:
		return value, nil
	case map[string]any:
		if _, encrypted := value["secure"]; encrypted && len(value) == 1 {
			return "", nil
		}
	}
	text, err := json.Marshal(value)
	return string(text), err
}
