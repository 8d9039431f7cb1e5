package config

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	units "github.com/docker/go-units"
)

// Size is a number of bytes, written as 512MiB, 2GiB or 1024 (units of 1024, as Docker has them).
type Size int64

// UnmarshalText reads "512MiB", "2g" or "1024".
func (s *Size) UnmarshalText(text []byte) error {
	bytes, err := units.RAMInBytes(string(text))
	if err != nil || bytes < 0 {
		return fmt.Errorf("is not a size; write a number and a unit, such as 512MiB or 2GiB")
	}
	*s = Size(bytes)
	return nil
}

// MarshalText writes the size as UnmarshalText reads it.
func (s Size) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

func (s Size) String() string { return strings.ReplaceAll(units.BytesSize(float64(s)), " ", "") }

// MiB is the size in mebibytes, rounded down: the unit of Docker's provider.
func (s Size) MiB() int { return int(s / units.MiB) }

// Duration is a length of time, written as 500ms, 10s, 1h30m or 365d.
type Duration time.Duration

// UnmarshalText reads Go's durations, and whole days as "365d".
func (d *Duration) UnmarshalText(text []byte) error {
	if days, found := strings.CutSuffix(string(text), "d"); found {
		if n, err := strconv.Atoi(days); err == nil && n >= 0 && n <= 36500 {
			*d = Duration(time.Duration(n) * 24 * time.Hour)
			return nil
		}
	}
	parsed, err := time.ParseDuration(string(text))
	if err != nil || parsed < 0 {
		return fmt.Errorf("is not a duration; write a number and a unit, such as 10s, 5m, 12h or 365d")
	}
	*d = Duration(parsed)
	return nil
}

// MarshalText writes the duration as UnmarshalText reads it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

func (d Duration) String() string {
	const day = 24 * time.Hour
	if t := time.Duration(d); t >= day && t%day == 0 {
		return fmt.Sprintf("%dd", t/day)
	}
	text := time.Duration(d).String()
	if strings.HasSuffix(text, "m0s") {
		text = strings.TrimSuffix(text, "0s")
	}
	if strings.HasSuffix(text, "h0m") {
		text = strings.TrimSuffix(text, "0m")
	}
	return text
}

// Hours is the duration in whole hours, the unit of the tls provider.
func (d Duration) Hours() int { return int(time.Duration(d) / time.Hour) }

// Settings are PostgreSQL settings by name; values as postgresql.conf has them.
type Settings map[string]Setting

// Setting is the value of one setting: text, number or boolean in the stack file.
type Setting string

// UnmarshalJSON takes 'text', 42, 0.9 and true.
func (s *Setting) UnmarshalJSON(raw []byte) error {
	var value any
	decoder := json.NewDecoder(strings.NewReader(string(raw)))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		return err
	}
	switch value := value.(type) {
	case string:
		*s = Setting(value)
	case json.Number:
		*s = Setting(value.String())
	case bool:
		*s = "off"
		if value {
			*s = "on"
		}
	default:
		return fmt.Errorf("is not a setting's value; write text, a number or a boolean")
	}
	return nil
}
