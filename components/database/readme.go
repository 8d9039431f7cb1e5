package database

import (
	_ "embed"
	"strings"
	"text/template"

	"github.com/witchcityrope/database/components/connections"
	"github.com/witchcityrope/database/config"
)

//go:embed readme.md.tmpl
var readmeText string

var readmeTemplate = template.Must(template.New("readme").Parse(readmeText))

// readme says what the stack is and how to connect, without secrets.
func readme(stack *config.Stack, clients []connections.Client) string {
	var text strings.Builder
	err := readmeTemplate.Execute(&text, map[string]any{
		"Stack": stack, "Clients": clients, "Budget": stack.Budget(), "Memory": stack.Memory(),
		"CA": stack.CAFile(), "Container": stack.Target.Type == config.Container,
	})
	if err != nil {
		panic(err) // the template is part of the program, and tested with every stack
	}
	return text.String()
}
