package migration

import (
	"fmt"
	"strings"
)

// Statement is one statement of a script, without the semicolon.
type Statement struct {
	Text string
	// Line of the file that it begins in.
	Line int
}

// Head is the beginning of a statement, for messages.
func (s Statement) Head() string {
	const most = 60
	head := strings.Join(strings.Fields(s.Text), " ")
	if runes := []rune(head); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return head
}

// space is what the server skips between words.
const space = " \t\n\r\f\v"

// splitter finds where statements end, by PostgreSQL's lexical rules.
type splitter struct {
	text  string
	at    int
	begin int // of the present statement; -1 before its first character
	round int // depth of parentheses
	body  int // depth of BEGIN ATOMIC … END
	word  string
	found []Statement
}

// split takes a script apart, comments before a statement left out.
func split(text string) ([]Statement, error) {
	s := &splitter{text: text, begin: -1}
	for s.at < len(s.text) {
		if err := s.next(); err != nil {
			return nil, err
		}
	}
	s.end()
	return s.found, nil
}

func (s *splitter) next() error {
	rest := s.text[s.at:]
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "--"):
		s.skip(strings.IndexByte(rest, '\n'))
	case strings.HasPrefix(rest, "/*"):
		return s.comment()
	case strings.IndexByte(space, c) >= 0:
		s.at++
	case c == ';' && s.round <= 0 && s.body == 0:
		s.end()
		s.at++
	case c == '\\' && s.begin < 0:
		return fmt.Errorf("line %d: %s is a command of psql, not SQL: take it out", s.line(s.at), strings.Fields(rest)[0])
	default:
		if s.begin < 0 {
			s.begin = s.at
		}
		return s.token(c, rest)
	}
	return nil
}

func (s *splitter) token(c byte, rest string) error {
	switch {
	case c == '\'':
		return s.quoted('\'', strings.EqualFold(s.word, "e") && s.at > 0 && isWord(s.text[s.at-1]))
	case c == '"':
		return s.quoted('"', false)
	case c == '$':
		if tag := dollarTag(rest); tag != "" {
			length := strings.Index(rest[len(tag):], tag)
			if length < 0 {
				return fmt.Errorf("line %d: %s is not closed", s.line(s.at), tag)
			}
			s.at += length + 2*len(tag)
			return nil
		}
	case c == '(':
		s.round++
	case c == ')':
		s.round--
	case isWord(c):
		length := 1
		for length < len(rest) && (isWord(rest[length]) || rest[length] == '$') {
			length++
		}
		s.nest(rest[:length])
		s.at += length
		return nil
	}
	s.at++
	return nil
}

// nest follows the bodies of functions in standard SQL, which have semicolons inside.
func (s *splitter) nest(word string) {
	switch before := s.word; {
	case strings.EqualFold(word, "atomic") && strings.EqualFold(before, "begin"):
		s.body++
	case s.body > 0 && strings.EqualFold(word, "case"):
		s.body++
	case s.body > 0 && strings.EqualFold(word, "end"):
		s.body--
	}
	s.word = word
}

func (s *splitter) quoted(quote byte, escapes bool) error {
	for i := s.at + 1; i < len(s.text); i++ {
		switch {
		case escapes && s.text[i] == '\\':
			i++
		case s.text[i] == quote && i+1 < len(s.text) && s.text[i+1] == quote:
			i++
		case s.text[i] == quote:
			s.at = i + 1
			return nil
		}
	}
	return fmt.Errorf("line %d: a quote (%c) is not closed", s.line(s.at), quote)
}

func (s *splitter) comment() error {
	depth := 0
	for i := s.at; i+1 < len(s.text); i++ {
		switch s.text[i : i+2] {
		case "/*":
			depth++
			i++
		case "*/":
			depth--
			i++
		}
		if depth == 0 {
			s.at = i + 1
			return nil
		}
	}
	return fmt.Errorf("line %d: a comment is not closed", s.line(s.at))
}

func (s *splitter) skip(length int) {
	if length < 0 {
		length = len(s.text) - s.at
	}
	s.at += length
}

func (s *splitter) end() {
	if s.begin >= 0 {
		s.found = append(s.found, Statement{strings.Trim(s.text[s.begin:s.at], space), s.line(s.begin)})
	}
	s.begin, s.round, s.body, s.word = -1, 0, 0, ""
}

func (s *splitter) line(at int) int { return 1 + strings.Count(s.text[:at], "\n") }

func isWord(c byte) bool {
	return c == '_' || c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= 0x80
}

// dollarTag is the delimiter that a text begins with; empty if it is none.
func dollarTag(text string) string {
	for i := 1; i < len(text); i++ {
		switch c := text[i]; {
		case c == '$':
			return text[:i+1]
		case !isWord(c), i == 1 && c >= '0' && c <= '9':
			return ""
		}
	}
	return ""
}
