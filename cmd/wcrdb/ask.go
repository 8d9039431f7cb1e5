package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

var errUnconfirmed = errors.New("not confirmed; nothing was changed")

// confirm asks for a word, where there is somebody to ask.
func confirm(ctx context.Context, question, word string) error {
	typed, err := ask(ctx, question, fmt.Sprintf("Type %q to go on: ", word))
	if err == nil && typed != word {
		return errUnconfirmed
	}
	return err
}

// goOn asks for a yes, where there is somebody to ask.
func goOn(ctx context.Context, question string) error {
	typed, err := ask(ctx, question, "Go on? [y/N] ")
	if err == nil && !strings.EqualFold(typed, "y") && !strings.EqualFold(typed, "yes") {
		return errUnconfirmed
	}
	return err
}

// ask reads a line from whoever sits at the terminal.
func ask(ctx context.Context, question, prompt string) (string, error) {
	if !term.IsTerminal(int(os.Stdin.Fd())) {
		return "", status{errors.New(question + " Nobody is there to confirm it: pass --yes; nothing was changed"), exitUsage}
	}
	fmt.Fprintf(os.Stderr, "%s %s", question, prompt)
	typed, err := line(ctx, os.Stdin)
	if ctx.Err() != nil {
		return "", errors.Join(errUnconfirmed, ctx.Err())
	}
	if err != nil {
		return "", fmt.Errorf("confirmation: %w", err)
	}
	return typed, nil
}

// line reads a line, unless the context ends first: nobody can be kept from
// typing, and whoever is asked may interrupt instead.
func line(ctx context.Context, from io.Reader) (string, error) {
	type answer struct {
		typed string
		err   error
	}
	read := make(chan answer, 1)
	go func() {
		typed, err := bufio.NewReader(from).ReadString('\n')
		read <- answer{strings.TrimSpace(typed), err}
	}()
	select {
	case <-ctx.Done():
		return "", ctx.Err()
	case got := <-read:
		return got.typed, got.err
	}
}
