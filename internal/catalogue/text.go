package catalogue

// checkText applies what the server demands of the text of a setting.
func (s Setting) checkText(string) *Fault { return nil }

// checkNumber applies what the server demands of a number beyond its range.
func (s Setting) checkNumber(float64) *Fault { return nil }
