package main

import (
	"fmt"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: table README.md")
		os.Exit(2)
	}
	if err := write(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "table:", err)
		os.Exit(1)
	}
}

// write brings the table in a file up to date.
func write(path string) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	rows, err := rows()
	if err != nil {
		return err
	}
	text, err := replace(string(content), markdown(rows))
	if err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return os.WriteFile(path, []byte(text), 0o644)
}
