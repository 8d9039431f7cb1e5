package report

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	units "github.com/docker/go-units"
)

// Header is the columns' names for people.
func (t Table) Header() []string {
	header := make([]string, len(t.Columns))
	for i, column := range t.Columns {
		name, _ := unit(column)
		header[i] = strings.ReplaceAll(name, "_", " ")
	}
	return header
}

// Text is the rows for people.
func (t Table) Text() [][]string {
	lines := make([][]string, len(t.Rows))
	for i, row := range t.Rows {
		for _, column := range t.Columns {
			_, unit := unit(column)
			lines[i] = append(lines[i], t.text(row[column], unit))
		}
	}
	return lines
}

// unit splits a column's name.
func unit(column string) (name, unit string) {
	for _, unit := range []string{"bytes", "seconds", "ms", "percent"} {
		if name, is := strings.CutSuffix(column, "_"+unit); is {
			return name, unit
		}
	}
	return column, ""
}

func (t Table) text(value any, unit string) string {
	switch value := value.(type) {
	case nil:
		return ""
	case time.Time:
		return strings.ToLower(units.HumanDuration(t.At.Sub(value))) + " ago"
	case int64:
		if unit == "bytes" {
			return units.BytesSize(float64(value))
		}
		return strconv.FormatInt(value, 10)
	case float64:
		switch unit {
		case "seconds":
			return (time.Duration(value * float64(time.Second))).Round(100 * time.Millisecond).String()
		case "ms":
			return strconv.FormatFloat(value, 'f', 1, 64) + " ms"
		case "percent":
			return strconv.FormatFloat(value, 'f', 1, 64) + " %"
		}
	}
	return fmt.Sprint(value)
}
