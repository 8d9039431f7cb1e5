package operation

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/witchcityrope/database/internal/engine"
)

// superuserType is the resource that awaits that the server accepts a login.
const superuserType = "pgserver:index:Superuser"

// outage measures how long the server is away while a run replaces it: from
// the beginning of its stop until it accepts a login again.
type outage struct{ began, ended time.Time }

// watch looks at the events on their way to somebody else.
func (o *outage) watch(next engine.Watch) engine.Watch {
	return func(event events.EngineEvent) {
		o.see(event, time.Now())
		if next != nil {
			next(event)
		}
	}
}

func (o *outage) see(event events.EngineEvent, now time.Time) {
	switch {
	case event.ResourcePreEvent != nil:
		step := event.ResourcePreEvent.Metadata
		if step.Type == containerType && step.Op == apitype.OpDeleteReplaced && o.began.IsZero() && !engine.IsBackupAgent(engine.ResourceName(step.URN)) {
			o.began = now
		}
	case event.ResOutputsEvent != nil:
		if event.ResOutputsEvent.Metadata.Type == superuserType && !o.began.IsZero() && o.ended.IsZero() {
			o.ended = now
		}
	}
}

// took is how long the server was away; 0 if it was not, or has not come back.
func (o *outage) took() time.Duration {
	if o.ended.IsZero() {
		return 0
	}
	return o.ended.Sub(o.began)
}

func (o *Operation) interruptionFile() string {
	return filepath.Join(o.Project.LocalDir(o.Stack), "interruption")
}

// rememberInterruption notes what the next forecast expects.
func (o *Operation) rememberInterruption(outage *outage) error {
	if outage.took() == 0 {
		return nil
	}
	return os.WriteFile(o.interruptionFile(), []byte(outage.took().Round(time.Millisecond).String()+"\n"), 0o600)
}

// lastInterruption is 0 where none was measured.
func (o *Operation) lastInterruption() (time.Duration, error) {
	content, err := os.ReadFile(o.interruptionFile())
	if missing(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	took, err := time.ParseDuration(strings.TrimSpace(string(content)))
	if err != nil {
		return 0, fmt.Errorf("%s: %w; delete it", o.interruptionFile(), err)
	}
	return took, nil
}
