package config

import (
	"bytes"
	"cmp"
	"encoding"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/agext/levenshtein"
	"github.com/creasty/defaults"
)

// The secret keys. They are not part of Stack, so that no code that has the
// configuration has a secret.
const (
	RootSecretKey            = "rootSecret"
	PreviousRootSecretKey    = "previousRootSecret"    // until wcrdb rotate root is done with it
	AdministratorPasswordKey = "administratorPassword" // of an external server
)

// Decode makes a stack's configuration from its keys (without the project's
// name) and their values: JSON for objects, plain text for scalars, as Pulumi
// hands them to a program. Unknown keys, values of the wrong type and values
// that do not fit together come back as Faults, all at once.
func Decode(project, stack string, values map[string]string) (*Stack, error) {
	config := Stack{Project: project, Name: stack}
	if err := defaults.Set(&config); err != nil {
		return nil, fmt.Errorf("defaults of the configuration: %w", err)
	}
	object := map[string]json.RawMessage{}
	for key, value := range values {
		if !slices.Contains([]string{RootSecretKey, PreviousRootSecretKey, AdministratorPasswordKey}, key) {
			object[key] = asJSON(value)
		}
	}
	var faults Faults
	decodeObject("", object, reflect.ValueOf(&config).Elem(), &faults)
	config.complete()
	faults = append(faults, config.validate().without(faults)...)
	if len(faults) > 0 {
		return nil, faults
	}
	return &config, nil
}

// asJSON takes JSON objects and arrays as they are and everything else as text.
func asJSON(value string) json.RawMessage {
	trimmed := strings.TrimSpace(value)
	if strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
		return json.RawMessage(trimmed)
	}
	text, err := json.Marshal(value)
	if err != nil {
		panic(err) // a string always marshals
	}
	return text
}

func decode(path string, raw json.RawMessage, into reflect.Value, faults *Faults) {
	_, short := into.Addr().Interface().(encoding.TextUnmarshaler)
	if short && strings.HasPrefix(strings.TrimSpace(string(raw)), `"`) {
		decodeLeaf(path, raw, into, faults)
		return
	}
	if into.Kind() == reflect.Struct {
		var object map[string]json.RawMessage
		if err := json.Unmarshal(raw, &object); err != nil || object == nil {
			faults.add(path, shown(raw), "is not an object", "write its keys indented below it, or leave it out")
			return
		}
		decodeObject(path+".", object, into, faults)
		return
	}
	if into.Kind() == reflect.Map {
		decodeMap(path, raw, into, faults)
		return
	}
	if into.Kind() == reflect.Slice && into.Type().Elem().Kind() == reflect.Struct {
		decodeList(path, raw, into, faults)
		return
	}
	decodeLeaf(path, raw, into, faults)
}

// decodeMap decodes a map entry by entry, so that each fault has its path.
func decodeMap(path string, raw json.RawMessage, into reflect.Value, faults *Faults) {
	var entries map[string]json.RawMessage
	if err := json.Unmarshal(raw, &entries); err != nil || entries == nil {
		faults.add(path, shown(raw), "is not an object", "write its keys indented below it, or leave it out")
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for _, key := range sortedKeys(entries) {
		value := reflect.New(into.Type().Elem()).Elem()
		decodeLeaf(path+"."+key, entries[key], value, faults)
		into.SetMapIndex(reflect.ValueOf(key), value)
	}
}

// decodeList decodes a list of objects one by one, so that each fault has its path.
func decodeList(path string, raw json.RawMessage, into reflect.Value, faults *Faults) {
	var elements []json.RawMessage
	if err := json.Unmarshal(raw, &elements); err != nil || elements == nil {
		faults.add(path, shown(raw), "is not a list", "write its elements indented below it, each after a dash, or leave it out")
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(elements), len(elements)))
	for i, element := range elements {
		if err := defaults.Set(into.Index(i).Addr().Interface()); err != nil {
			panic(err) // the tags are wrong
		}
		decode(fmt.Sprintf("%s[%d]", path, i), element, into.Index(i), faults)
	}
}

func decodeObject(prefix string, object map[string]json.RawMessage, into reflect.Value, faults *Faults) {
	fields := map[string]reflect.Value{}
	for i := range into.NumField() {
		if key := into.Type().Field(i).Tag.Get("json"); key != "-" {
			fields[key] = into.Field(i)
		}
	}
	for _, key := range sortedKeys(object) {
		field, known := fields[key]
		if !known {
			faults.add(prefix+key, nil, "no such key", suggestion(key, sortedKeys(fields)))
			continue
		}
		decode(prefix+key, object[key], field, faults)
	}
}

func decodeLeaf(path string, raw json.RawMessage, into reflect.Value, faults *Faults) {
	err := json.Unmarshal(raw, into.Addr().Interface())
	if string(raw) == "null" {
		err = errors.New("has no value; write one or leave the key out")
	}
	if err == nil {
		return
	}
	var wrongType *json.UnmarshalTypeError
	_, isText := into.Addr().Interface().(encoding.TextUnmarshaler)
	switch {
	case errors.As(err, &wrongType) && isText:
		// A bare number where text is decoded: read the number as text.
		if retry := into.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText(raw); retry != nil {
			reason, remedy, _ := strings.Cut(retry.Error(), "; ")
			faults.add(path, shown(raw), reason, remedy)
		}
	case errors.As(err, &wrongType):
		faults.add(path, shown(raw), "is not "+typeName(into.Type()), "write one")
	default:
		reason, remedy, _ := strings.Cut(err.Error(), "; ")
		faults.add(path, shown(raw), reason, remedy)
	}
}

// shown is a value as people wrote it.
func shown(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var compact bytes.Buffer
	if json.Compact(&compact, raw) != nil {
		return string(raw)
	}
	return compact.String()
}

func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int64:
		return "a whole number"
	case reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list of texts"
	default:
		return "a text"
	}
}

// suggestion names the nearest of the known names, or all of them.
func suggestion(name string, known []string) string {
	return cmp.Or(nearest(name, known), "known are "+strings.Join(known, ", "))
}

// nearest asks for the known name that is nearest, if one is near at all.
func nearest(name string, known []string) string {
	best, distance := "", 3
	for _, candidate := range known {
		if d := levenshtein.Distance(strings.ToLower(name), strings.ToLower(candidate), nil); d < distance {
			best, distance = candidate, d
		}
	}
	if best == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %s?", best)
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	return keys
}
