// Package pgtools runs PostgreSQL's own programs (pg_dump, pg_restore, psql,
// pg_amcheck) of the server's version: in a throwaway container of the server's
// image, so that nothing has to be installed, or as processes beside this one.
// A program finds its server, login and CA in its environment; the password is
// in a file that only it can read.
package pgtools

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// Runner runs programs that are connected to one server by one login.
type Runner interface {
	// Run runs a program to its end; a status other than 0 is a *Failed.
	Run(ctx context.Context, command Command) error
}

// Command is one run of a program.
type Command struct {
	// Args are the program and its arguments; nothing in them may be secret.
	Args []string
	// Stdin and Stdout are streamed; nil for nothing, and for nowhere.
	Stdin  io.Reader
	Stdout io.Writer
	// Stderr is handed every line that the program says, as it comes.
	Stderr func(line string)
}

// Login is how a program comes in.
type Login struct {
	Host     string
	Port     int
	Username string
	Password string
	// CAPEM are the CAs that the server's certificate is verified by; TLS is off where there is none.
	CAPEM []byte
}

// Failed is a program that ended with a status other than 0.
type Failed struct {
	Program string
	Status  int
	// Stderr is the end of what it said.
	Stderr string
}

func (f *Failed) Error() string {
	said := cmp.Or(f.Stderr, "it said nothing")
	if f.Status == 137 { // 128 + SIGKILL
		return "killed, maybe for want of memory: " + said
	}
	return fmt.Sprintf("status %d: %s", f.Status, said)
}

// Names of the files that a program finds its secrets in.
const (
	pgpassName = "pgpass"
	caName     = "ca.crt"
)

// environment tells libpq where the server is; dir is where the files are.
func (l Login) environment(dir string) []string {
	variables := []string{
		"PGHOST=" + l.Host, "PGPORT=" + strconv.Itoa(l.Port), "PGUSER=" + l.Username,
		"PGPASSFILE=" + dir + "/" + pgpassName, "PGSSLMODE=disable", "PGAPPNAME=wcrdb", "PGCONNECT_TIMEOUT=15", "HOME=" + dir, "LC_ALL=C",
	}
	if l.CAPEM != nil {
		variables = append(variables, "PGSSLMODE=verify-full", "PGSSLROOTCERT="+dir+"/"+caName)
	}
	return variables
}

// pgpass is the password file (manual, section 34.16).
func (l Login) pgpass() []byte {
	escape := strings.NewReplacer(`\`, `\\`, `:`, `\:`).Replace
	return fmt.Appendf(nil, "%s:%d:*:%s:%s\n", escape(l.Host), l.Port, escape(l.Username), escape(l.Password))
}

// files are what a program needs to log in, by name.
func (l Login) files() map[string][]byte {
	files := map[string][]byte{pgpassName: l.pgpass()}
	if l.CAPEM != nil {
		files[caName] = l.CAPEM
	}
	return files
}

// ended is what a program's end means, when something else may have gone wrong first.
func ended(program string, status int, tail string, err error) error {
	if status != 0 {
		err = errors.Join(err, &Failed{Program: program, Status: status, Stderr: tail})
	}
	if err != nil {
		return fmt.Errorf("%s: %w", program, err)
	}
	return nil
}

// source is a program's input, which remembers why it could not be read: the
// program itself only sees it end.
type source struct {
	from io.Reader
	mu   sync.Mutex
	err  error
}

func (s *source) Read(into []byte) (int, error) {
	n, err := s.from.Read(into)
	if err != nil && !errors.Is(err, io.EOF) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.err = fmt.Errorf("its input: %w", err)
	}
	return n, err
}

func (s *source) fault() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// said hands on the lines of standard error, and keeps the last of them.
type said struct {
	each func(string)
	rest []byte
	tail []string
}

// kept is how many lines of standard error an error has.
const kept = 20

func (s *said) Write(data []byte) (int, error) {
	s.rest = append(s.rest, data...)
	for {
		line, rest, found := bytes.Cut(s.rest, []byte("\n"))
		if !found {
			return len(data), nil
		}
		s.line(string(line))
		s.rest = rest
	}
}

func (s *said) line(line string) {
	if s.each != nil {
		s.each(line)
	}
	s.tail = append(s.tail, line)
	s.tail = s.tail[max(0, len(s.tail)-kept):]
}

// end is the end of what was said, from the first error on if there is one:
// what a program that was asked to be verbose said before does not matter then.
func (s *said) end() string {
	if len(s.rest) > 0 {
		s.line(string(s.rest))
		s.rest = nil
	}
	first := slices.IndexFunc(s.tail, func(line string) bool { return strings.Contains(line, ": error: ") })
	return strings.Join(s.tail[max(0, first):], "\n")
}
