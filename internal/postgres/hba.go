package postgres

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"unicode"
)

// HBARule is one line of pg_hba.conf: who may connect from where to what, and how they prove it.
// PostgreSQL uses the first rule that matches a connection, and no other.
type HBARule struct {
	// Type is local, host, hostssl, hostnossl, hostgssenc or hostnogssenc.
	Type string
	// Databases are names, or the words all, sameuser, samerole and replication.
	Databases []string
	// Roles are names, the word all, or +name for everybody who is a member of the role name.
	Roles []string
	// Address is a CIDR range, an IP address, a host name, a .domain suffix, or one of the words all,
	// samehost and samenet. It is empty if, and only if, Type is local.
	Address string
	// Method is the authentication method, for example scram-sha-256, peer or reject.
	Method string
	// Options are the method's options, for example clientcert: verify-full.
	Options map[string]string
}

var (
	hbaTypes = []string{"local", "host", "hostssl", "hostnossl", "hostgssenc", "hostnogssenc"}

	hbaMethods = []string{
		"trust", "reject", "scram-sha-256", "md5", "password", "gss", "sspi", "ident", "peer", "ldap",
		"radius", "cert", "pam", "bsd",
	}
	hbaDatabaseWords = []string{"all", "sameuser", "samerole", "replication"}
	hbaAddressWords  = []string{"all", "samehost", "samenet"}

	hbaPlainWord = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.$-]*$`)
	hbaOption    = regexp.MustCompile(`^[a-z_0-9]+$`)
	hbaHostName  = regexp.MustCompile(`^\.?([A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?\.)*[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?$`)
	hbaOnlyDigit = regexp.MustCompile(`^[0-9./]+$`)
)

// RenderHBA writes rules as the text of a pg_hba.conf, in their order. All faults of all rules are
// reported at once, each with the rule's number, the field, the value, the reason and the remedy.
func RenderHBA(rules []HBARule) (string, error) {
	if len(rules) == 0 {
		return "", errors.New("there is no rule: with an empty pg_hba.conf nobody can connect; give at least one")
	}
	var text strings.Builder
	columns := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "# TYPE\tDATABASE\tUSER\tADDRESS\tMETHOD")
	var faults []error
	for i, rule := range rules {
		for _, fault := range rule.faults() {
			faults = append(faults, fmt.Errorf("rule %d: %w", i+1, fault))
		}
		fmt.Fprintln(columns, rule.line())
	}
	if len(faults) > 0 {
		return "", errors.Join(faults...)
	}
	if err := columns.Flush(); err != nil {
		return "", err
	}
	return text.String(), nil
}

// Validate returns all faults of the rule, joined, or nil.
func (r HBARule) Validate() error { return errors.Join(r.faults()...) }

func (r HBARule) faults() []error {
	return slices.Concat(
		validateWord("type", r.Type, hbaTypes),
		validateWord("method", r.Method, hbaMethods),
		validateNames("databases", r.Databases, func(s string) (string, bool) { return s, slices.Contains(hbaDatabaseWords, s) }),
		validateNames("roles", r.Roles, func(s string) (string, bool) { return strings.TrimPrefix(s, "+"), s == "all" }),
		r.validateAddress(),
		r.validateMethod(),
		r.validateOptions(),
	)
}

func validateWord(field, value string, known []string) []error {
	if slices.Contains(known, value) {
		return nil
	}
	return []error{fmt.Errorf("%s: %q is unknown; use one of %s", field, value, strings.Join(known, ", "))}
}

func validateNames(field string, values []string, split func(string) (name string, isWord bool)) []error {
	if len(values) == 0 {
		return []error{fmt.Errorf("%s: none is given, so the rule would match nothing; name some, or write all", field)}
	}
	var faults []error
	for _, value := range values {
		name, isWord := split(value)
		if isWord {
			continue
		}
		if err := ValidateIdentifier(name); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", field, err))
		} else if strings.ContainsFunc(name, unicode.IsControl) {
			faults = append(faults, fmt.Errorf("%s: %q has a control character, which a line of pg_hba.conf cannot hold; rename it", field, name))
		} else if strings.HasPrefix(name, "/") {
			faults = append(faults, fmt.Errorf("%s: %q starts with a slash, which PostgreSQL reads as a regular expression even in quotes; rename it", field, name))
		}
	}
	return faults
}

func (r HBARule) validateAddress() []error {
	if r.Type == "local" {
		if r.Address != "" {
			return []error{fmt.Errorf("address: %q is given, but a local rule is for the Unix socket; remove it, or use type host", r.Address)}
		}
		return nil
	}
	if r.Address == "" {
		return []error{fmt.Errorf("address: none is given, but a %s rule needs one; write a CIDR range, or all", r.Type)}
	}
	if slices.Contains(hbaAddressWords, r.Address) {
		return nil
	}
	if _, err := netip.ParseAddr(r.Address); err == nil && !strings.Contains(r.Address, "%") {
		return nil
	}
	if prefix, err := netip.ParsePrefix(r.Address); err == nil {
		if prefix != prefix.Masked() {
			return []error{fmt.Errorf("address: %q has bits set beyond its mask; write %s", r.Address, prefix.Masked())}
		}
		return nil
	}
	if !hbaHostName.MatchString(r.Address) || hbaOnlyDigit.MatchString(r.Address) {
		return []error{fmt.Errorf("address: %q is neither a CIDR range, an IP address nor a host name; write it like 172.20.0.0/16", r.Address)}
	}
	return nil
}

func (r HBARule) validateMethod() []error {
	switch {
	case r.Method == "peer" && r.Type != "local":
		return []error{fmt.Errorf("method: peer asks the kernel who is at the other end of a Unix socket, and does not work for type %q; use scram-sha-256", r.Type)}
	case r.Method == "ident" && r.Type == "local":
		return []error{fmt.Errorf("method: ident is for TCP, and type is local; use peer")}
	case r.Method == "cert" && r.Type != "hostssl":
		return []error{fmt.Errorf("method: cert needs TLS, and type %q does not promise it; use type hostssl", r.Type)}
	}
	return nil
}

func (r HBARule) validateOptions() []error {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(r.Options)) {
		value := r.Options[name]
		switch {
		case !hbaOption.MatchString(name):
			faults = append(faults, fmt.Errorf("options: %q is not the name of an option; use lower-case letters, for example clientcert", name))
		case strings.ContainsFunc(value, func(c rune) bool { return unicode.IsControl(c) || c == unicode.ReplacementChar }):
			faults = append(faults, fmt.Errorf("options: the value of %s, %q, has a character that a line of pg_hba.conf cannot hold; remove it", name, value))
		case name == "clientcert" && r.Type != "hostssl":
			faults = append(faults, fmt.Errorf("options: clientcert needs TLS, and type %q does not promise it; use type hostssl", r.Type))
		case name == "clientcert" && value != "verify-ca" && value != "verify-full":
			faults = append(faults, fmt.Errorf("options: clientcert is %q; use verify-ca or verify-full", value))
		}
	}
	return faults
}

// line writes a valid rule, its fields separated by tabs.
func (r HBARule) line() string {
	fields := []string{
		r.Type,
		quoteAll(r.Databases, func(s string) string { return quoteHBA(s, hbaDatabaseWords...) }),
		quoteAll(r.Roles, quoteRole),
		addressWithMask(r.Address),
		r.Method,
	}
	for _, name := range slices.Sorted(maps.Keys(r.Options)) {
		fields = append(fields, name+"="+quoteHBA(r.Options[name]))
	}
	return strings.Join(fields, "\t")
}

func quoteAll(values []string, quote func(string) string) string {
	quoted := make([]string, len(values))
	for i, value := range values {
		quoted[i] = quote(value)
	}
	return strings.Join(quoted, ",")
}

func quoteRole(role string) string {
	if group, ok := strings.CutPrefix(role, "+"); ok {
		return "+" + quoteHBA(group, group)
	}
	return quoteHBA(role, "all")
}

// quoteHBA puts value in quotes unless it is one of words, or cannot be taken for anything but a name.
func quoteHBA(value string, words ...string) string {
	reserved := slices.Contains(hbaDatabaseWords, value) || slices.Contains(hbaAddressWords, value)
	if hbaPlainWord.MatchString(value) && (!reserved || slices.Contains(words, value)) {
		return value
	}
	return `"` + strings.ReplaceAll(value, `"`, `""`) + `"`
}

// addressWithMask gives a lone IP address the mask that PostgreSQL demands.
func addressWithMask(address string) string {
	if ip, err := netip.ParseAddr(address); err == nil {
		return netip.PrefixFrom(ip, ip.BitLen()).String()
	}
	return address
}
