package config

// Drill is how often backups have to be proven.
type Drill struct {
	MaxAge   Duration `json:"maxAge" default:"30d" doc:"how old the last good receipt of wcrdb drill may be, where storage.protect is on, before an up warns; 0s: never"`
	Required bool     `json:"required" doc:"an up is refused then, and does not only warn"`
}

func drills(s *Stack, faults *Faults) {
	switch {
	case s.Drill.Required && !s.Storage.Protect:
		faults.add("drill.required", s.Drill.Required, "the stack's data is not protected, so no drill is asked for", "set storage.protect, or leave it out")
	case s.Drill.Required && s.Drill.MaxAge == 0:
		faults.add("drill.maxAge", s.Drill.MaxAge, "asks for no drill, and drill.required for one", "set how old the last good receipt may be, such as 30d")
	}
}
