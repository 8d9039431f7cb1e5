// Command table writes the table of configuration keys into README.md, from
// the types of package config. go generate ./config runs it.
package main

import (
	"encoding"
	"fmt"
	"reflect"
	"strings"

	"github.com/creasty/defaults"

	"github.com/witchcityrope/database/config"
)

// row is one key.
type row struct{ path, kind, initial, meaning string }

// secretRows are the keys that are no part of config.Stack.
var secretRows = []row{
	{config.RootSecretKey, "secret text", "", "what all passwords are derived from, at least 32 characters; `wcrdb init` makes it"},
	{config.PreviousRootSecretKey, "secret text", "", "the one before, while a password comes from it; `wcrdb rotate root` writes it, and a later rotation removes it"},
	{config.AdministratorPasswordKey, "secret text", "", "external only: the superuser's password"},
}

// rows lists every key, with the value that it has if nothing is given.
func rows() ([]row, error) {
	var stack config.Stack
	if err := defaults.Set(&stack); err != nil {
		return nil, err
	}
	return append(rowsOf("", reflect.ValueOf(stack)), secretRows...), nil
}

func rowsOf(prefix string, object reflect.Value) []row {
	var found []row
	for i := range object.NumField() {
		field := object.Type().Field(i)
		key := field.Tag.Get("json")
		if key == "-" {
			continue
		}
		value := object.Field(i)
		if isList(value.Type()) {
			found = append(found, row{prefix + key, listOf(value.Type().Elem()), initialOf(value), field.Tag.Get("doc")})
			found = append(found, rowsOf(prefix+key+"[].", element(value.Type().Elem()))...)
			continue
		}
		this := row{prefix + key, kindOf(value), initialOf(value), field.Tag.Get("doc")}
		switch value.Kind() {
		case reflect.Struct:
			found = append(found, this)
			found = append(found, rowsOf(prefix+key+".", value)...)
		case reflect.Map:
			this.path += ".<name>"
			found = append(found, this)
		default:
			found = append(found, this)
		}
	}
	return found
}

// element is an object of a list, with the values that it has if nothing is given.
func element(t reflect.Type) reflect.Value {
	object := reflect.New(t)
	if err := defaults.Set(object.Interface()); err != nil {
		panic(err) // the tags are wrong
	}
	return object.Elem()
}

// isList says whether a type is a list of objects.
func isList(t reflect.Type) bool {
	return t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct
}

// listOf says of what a list of objects is: some may be a text alone.
func listOf(element reflect.Type) string {
	if _, short := reflect.New(element).Interface().(encoding.TextUnmarshaler); short {
		return "list of texts or objects"
	}
	return "list of objects"
}

func kindOf(value reflect.Value) string {
	switch value.Interface().(type) {
	case config.Size:
		return "size"
	case config.Duration:
		return "duration"
	case config.Rank, config.Generations:
		return "whole number"
	case config.Settings:
		return "text, number or boolean"
	}
	switch value.Kind() {
	case reflect.Struct:
		return "object"
	case reflect.Bool:
		return "boolean"
	case reflect.Int:
		return "whole number"
	case reflect.Float64:
		return "number"
	case reflect.Slice:
		return "list of texts"
	default:
		return "text"
	}
}

// initialOf is a value as a stack file would have it; empty where nothing stands.
func initialOf(value reflect.Value) string {
	if text, is := value.Interface().(encoding.TextMarshaler); is {
		written, err := text.MarshalText()
		if err != nil {
			panic(err) // sizes and durations always can be written
		}
		return string(written)
	}
	switch value.Kind() {
	case reflect.Struct, reflect.Map:
		return ""
	case reflect.Slice:
		var elements []string
		for i := range value.Len() {
			elements = append(elements, fmt.Sprint(value.Index(i).Interface()))
		}
		return "[" + strings.Join(elements, ", ") + "]"
	default:
		return fmt.Sprint(value.Interface())
	}
}

// markdown writes rows as a table.
func markdown(rows []row) string {
	var text strings.Builder
	text.WriteString("| key | type | default | meaning |\n|---|---|---|---|\n")
	for _, row := range rows {
		initial := row.initial
		if initial != "" {
			initial = "`" + initial + "`"
		}
		fmt.Fprintf(&text, "| `%s` | %s | %s | %s |\n", row.path, row.kind, initial, escaped(row.meaning))
	}
	return text.String()
}

// escaped keeps what stands for something from being read as HTML.
func escaped(text string) string { return strings.NewReplacer("<", "&lt;", "|", "\\|").Replace(text) }

// The marks around the table in README.md.
const (
	begin = "<!-- config:begin (written by go generate ./config) -->\n"
	end   = "<!-- config:end -->"
)

// replace puts a table between the marks of a text.
func replace(text, table string) (string, error) {
	before, rest, found := strings.Cut(text, begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return "", fmt.Errorf("the text has no place for the table: put the lines %q and %q into it", begin, end)
	}
	return before + begin + "\n" + table + "\n" + end + after, nil
}
