package operation

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/auto/events"
	"github.com/pulumi/pulumi/sdk/v3/go/common/apitype"

	"github.com/witchcityrope/database/internal/consequence"
	"github.com/witchcityrope/database/internal/engine"
	"github.com/witchcityrope/database/internal/wholefile"
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

func (o *Operation) interruptionsFile() string {
	return filepath.Join(o.Project.LocalDir(o.Stack), "interruptions.json")
}

// rememberInterruption notes what the next forecast of the same class expects.
func (o *Operation) rememberInterruption(class consequence.Class, took time.Duration) error {
	if !class.Interrupts() || took == 0 {
		return nil
	}
	last, err := o.interruptions()
	if err != nil {
		return err
	}
	seconds := map[consequence.Class]float64{class: took.Round(time.Millisecond).Seconds()}
	for other, took := range last {
		if other != class {
			seconds[other] = took.Seconds()
		}
	}
	content, err := json.Marshal(seconds)
	if err != nil {
		return err
	}
	return wholefile.Write(o.interruptionsFile(), content, 0o600)
}

// interruptions are the last ones by class, of those that were measured.
func (o *Operation) interruptions() (map[consequence.Class]time.Duration, error) {
	content, err := os.ReadFile(o.interruptionsFile())
	if missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var seconds map[consequence.Class]float64
	if err := json.Unmarshal(content, &seconds); err != nil {
		return nil, fmt.Errorf("%s: %w; delete it", o.interruptionsFile(), err)
	}
	last := map[consequence.Class]time.Duration{}
	for class, took := range seconds {
		last[class] = time.Duration(took * float64(time.Second)).Round(time.Millisecond)
	}
	return last, nil
}
