package plugin

import (
	"fmt"
	"strconv"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// Values reads provider configuration, in which programs written in some languages send numbers and booleans as text.
type Values struct{ property.Map }

// String returns a text, or otherwise when it is not given.
func (v Values) String(name, otherwise string) string {
	value := v.Get(name)
	if !value.IsString() || value.AsString() == "" {
		return otherwise
	}
	return value.AsString()
}

// Int returns a whole number, or otherwise when it is not given.
func (v Values) Int(name string, otherwise int) (int, error) {
	value := v.Get(name)
	switch {
	case value.IsNumber():
		return int(value.AsNumber()), nil
	case value.IsString() && value.AsString() != "":
		number, err := strconv.Atoi(value.AsString())
		if err != nil {
			return 0, fmt.Errorf("provider configuration %s: %q is not a whole number", name, value.AsString())
		}
		return number, nil
	default:
		return otherwise, nil
	}
}

// Bool returns a truth value, or otherwise when it is not given.
func (v Values) Bool(name string, otherwise bool) (bool, error) {
	value := v.Get(name)
	switch {
	case value.IsBool():
		return value.AsBool(), nil
	case value.IsString() && value.AsString() != "":
		truth, err := strconv.ParseBool(value.AsString())
		if err != nil {
			return false, fmt.Errorf("provider configuration %s: %q is neither true nor false", name, value.AsString())
		}
		return truth, nil
	default:
		return otherwise, nil
	}
}
