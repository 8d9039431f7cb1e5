package main

import (
	"io"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/console"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/operation"
)

// forecast of effects of some classes, each called as its class.
func forecast(classes ...consequence.Class) consequence.Forecast {
	var made consequence.Forecast
	for _, class := range classes {
		made.Class = max(made.Class, class)
		made.Effects = append(made.Effects, consequence.Effect{
			Change: engine.Change{Operation: "replace", Name: class.String()}, Class: class, Reason: "because", NeedsAllow: class == consequence.DataLoss,
		})
	}
	return made
}

func TestAnswersDecide(t *testing.T) {
	for name, row := range map[string]struct {
		said     answers
		forecast consequence.Forecast
		refused  string
	}{
		"nothing":                 {answers{}, forecast(), ""},
		"online":                  {answers{}, forecast(consequence.Online, consequence.Reload, consequence.NewSessions), ""},
		"nobody to ask":           {answers{}, forecast(consequence.Restart), "To go on: wcrdb up -s prod --yes"},
		"answered":                {answers{yes: true}, forecast(consequence.Restart, consequence.Replaced), ""},
		"loss is not answered":    {answers{yes: true}, forecast(consequence.DataLoss), "wcrdb up -s prod --allow data loss"},
		"another one allowed":     {answers{yes: true, allow: []string{"x"}}, forecast(consequence.DataLoss), "refused, and nothing was changed"},
		"allowed":                 {answers{allow: []string{"data loss"}}, forecast(consequence.DataLoss), ""},
		"allowed, and interrupts": {answers{allow: []string{"data loss"}}, forecast(consequence.DataLoss, consequence.Restart), "--yes"},
	} {
		t.Run(name, func(t *testing.T) {
			approver := newApprover(t.Context(), &options{stack: "prod", json: true}, console.New(io.Discard, true), "up", row.said)
			defer func() { approver.stop() }()
			err := approver.approve(row.forecast)
			if row.refused == "" {
				assert.NoError(t, err)
				return
			}
			assert.ErrorContains(t, err, row.refused)
			assert.Equal(t, exitFailure, exitStatus(err))
		})
	}
}

func TestMarkdownHasWarningsAndStandIns(t *testing.T) {
	report := operation.Report{
		Result: engine.Result{Stack: "prod", Warnings: []string{"mind\nthe gap"}}, Consequence: forecast(), StandIns: []string{"docker", "tls"},
	}
	assert.Equal(t, "### `wcrdb preview -s prod`\n\n**up would change nothing**\n\n> mind\n> the gap\n\nStand-ins were used for: docker, tls\n", markdownOf(report))
}
