package backup

// Message is a line that the agent writes while it makes a backup on demand.
type Message struct {
	Progress *Progress `json:"progress,omitempty"`
	// Said is worth a line.
	Said string `json:"said,omitempty"`
	// Fault ends it; the exit status says of which kind it is.
	Fault string `json:"fault,omitempty"`
	// Made ends it, too.
	Made *Backup `json:"made,omitempty"`
}
