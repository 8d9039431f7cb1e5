package postgres

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// CheckHBA reports the lines of a pg_hba.conf that no server would understand, each with its number and
// in the server's own words (hba.c). What depends on the server, its build or further files, it lets pass.
func CheckHBA(content string) error {
	var faults []error
	for number, line := range hbaLines(content) {
		fields := hbaFields(line)
		if len(fields) == 0 {
			continue
		}
		if err := checkHBALine(fields); err != nil {
			faults = append(faults, fmt.Errorf("line %d: %w", number, err))
		}
	}
	return errors.Join(faults...)
}

// hbaOptions are the options of all methods of all supported majors.
var hbaOptions = []string{
	"map", "clientcert", "clientname", "pamservice", "pam_use_hostname", "ldapurl", "ldaptls", "ldapscheme", "ldapserver", "ldapport",
	"ldapbinddn", "ldapbindpasswd", "ldapsearchattribute", "ldapsearchfilter", "ldapbasedn", "ldapprefix", "ldapsuffix", "krb_realm",
	"include_realm", "compat_realm", "upn_username", "radiusservers", "radiussecrets", "radiusports", "radiusidentifiers",
	"issuer", "scope", "validator", "delegate_ident_mapping",
}

// hbaWord is one value of a field.
type hbaWord struct {
	text   string
	quoted bool // from its beginning, so that it is no keyword
}

// hbaLines yields the lines with their numbers; a backslash at the end joins a line with the next.
func hbaLines(content string) func(yield func(int, string) bool) {
	return func(yield func(int, string) bool) {
		lines := strings.Split(content, "\n")
		for i := 0; i < len(lines); i++ {
			number := i + 1
			line := strings.TrimRight(lines[i], "\r")
			for strings.HasSuffix(line, `\`) && i+1 < len(lines) {
				i++
				line = strings.TrimSuffix(line, `\`) + strings.TrimRight(lines[i], "\r")
			}
			if !yield(number, line) {
				return
			}
		}
	}
}

// hbaFields takes a line apart: fields are separated by blanks, the words of a field by commas. In double
// quotes both are part of a word, and a doubled quote stands for one.
func hbaFields(line string) (fields [][]hbaWord) {
	for rest := line; ; {
		var field []hbaWord
		for more := true; more; {
			var word *hbaWord
			if word, more, rest = nextHBAWord(rest); word == nil {
				break
			}
			field = append(field, *word)
		}
		if len(field) == 0 {
			return fields
		}
		fields = append(fields, field)
	}
}

// nextHBAWord reads a word, and whether a comma after it says that the field goes on.
func nextHBAWord(line string) (word *hbaWord, more bool, rest string) {
	line = strings.TrimLeft(line, " \t\r,")
	var text strings.Builder
	var inQuotes, wasQuote, sawQuote, quoted bool
	i := 0
	for ; i < len(line) && (inQuotes || !strings.ContainsRune(" \t\r", rune(line[i]))); i++ {
		c := line[i]
		if !inQuotes && c == '#' {
			i = len(line)
			break
		}
		if !inQuotes && c == ',' {
			more = true
			i++
			break
		}
		if c != '"' || wasQuote {
			text.WriteByte(c)
		}
		wasQuote = inQuotes && c == '"' && !wasQuote
		if c == '"' {
			inQuotes, sawQuote = !inQuotes, true
			quoted = quoted || text.Len() == 0
		}
	}
	rest = line[i:]
	if text.Len() == 0 && !sawQuote {
		return nil, more, rest
	}
	return &hbaWord{text.String(), quoted}, more, rest
}

// checkHBALine follows parse_hba_line.
func checkHBALine(fields [][]hbaWord) error {
	next := func(missing, several string) (hbaWord, error) {
		if len(fields) == 0 {
			return hbaWord{}, errors.New("end-of-line before " + missing)
		}
		field := fields[0]
		fields = fields[1:]
		if len(field) > 1 && several != "" {
			return hbaWord{}, errors.New("multiple values specified for " + several)
		}
		return field[0], nil
	}
	kind, err := next("connection type", "connection type")
	switch {
	case err != nil:
		return err
	case slices.Contains([]string{"include", "include_if_exists", "include_dir"}, kind.text) || strings.HasPrefix(kind.text, "@"):
		return nil
	case !slices.Contains(hbaTypes, kind.text):
		return fmt.Errorf("invalid connection type %q; use one of %s", kind.text, strings.Join(hbaTypes, ", "))
	}
	if _, err := next("database specification", ""); err != nil {
		return err
	}
	if _, err := next("role specification", ""); err != nil {
		return err
	}
	if kind.text != "local" {
		address, err := next("IP address specification", "host address")
		if err != nil {
			return err
		}
		needsMask, err := checkHBAAddress(address)
		if err != nil {
			return err
		}
		if needsMask {
			mask, err := next("netmask specification: give the address a mask, as in 192.0.2.1/32", "netmask")
			if err != nil {
				return err
			}
			if err := checkHBAMask(address.text, mask.text); err != nil {
				return err
			}
		}
	}
	method, err := next("authentication method", "authentication type")
	if err != nil {
		return err
	}
	return checkHBAMethod(kind.text, method.text, fields)
}

// checkHBAAddress also says whether a netmask has to follow.
func checkHBAAddress(address hbaWord) (needsMask bool, err error) {
	text, length, hasLength := strings.Cut(address.text, "/")
	ip, ipErr := netip.ParseAddr(text)
	switch {
	case !address.quoted && slices.Contains(hbaAddressWords, address.text):
		return false, nil
	case ipErr != nil && hasLength && isHostName(text):
		return false, fmt.Errorf("specifying both host name and CIDR mask is invalid: %q", address.text)
	case ipErr == nil && hasLength:
		if _, err := netip.ParsePrefix(ip.WithZone("").String() + "/" + length); err != nil && !isLenientLength(length, ip.BitLen()) {
			return false, fmt.Errorf("invalid CIDR mask in address %q", address.text)
		}
	}
	return ipErr == nil && !hasLength, nil
}

// isHostName tells host names from what only the system's resolver can tell to be an address, like 10.1.
func isHostName(text string) bool {
	return hbaHostName.MatchString(text) && strings.ContainsFunc(text, func(c rune) bool { return c > '9' && !strings.ContainsRune("abcdefxABCDEFX", c) })
}

// isLenientLength accepts what strtol does: a sign and zeros in front.
func isLenientLength(length string, most int) bool {
	var bits int
	n, err := fmt.Sscanf(length, "%d", &bits)
	return n == 1 && err == nil && fmt.Sprintf("%d", bits) == strings.TrimLeft(strings.TrimLeft(length, "+ "), "0") && bits >= 0 && bits <= most
}

func checkHBAMask(address, mask string) error {
	ip, err := netip.ParseAddr(address)
	if err != nil {
		return nil
	}
	bits, err := netip.ParseAddr(mask)
	switch {
	case err != nil && (isHostName(mask) || strings.Contains(mask, "/")):
		return fmt.Errorf("invalid IP mask %q; give the address a mask, as in %s/%d", mask, address, ip.BitLen())
	case err == nil && ip.BitLen() != bits.BitLen():
		return fmt.Errorf("IP address and mask do not match: %q, %q", address, mask)
	}
	return nil
}

// checkHBAMethod knows the methods of all supported majors.
func checkHBAMethod(kind, method string, options [][]hbaWord) error {
	switch {
	case !slices.Contains(hbaMethods, method) && method != "oauth":
		return fmt.Errorf("invalid authentication method %q; use scram-sha-256, or one of %s", method, strings.Join(hbaMethods, ", "))
	case method == "peer" && kind != "local":
		return errors.New("peer authentication is only supported on local sockets")
	case method == "gss" && kind == "local":
		return errors.New("gssapi authentication is not supported on local sockets")
	case method == "cert" && kind != "hostssl":
		return errors.New("cert authentication is only supported on hostssl connections")
	}
	for _, field := range options {
		for _, option := range field {
			if strings.HasPrefix(option.text, "@") && !option.quoted {
				continue
			}
			name, value, ok := strings.Cut(option.text, "=")
			switch {
			case !ok:
				return errors.New("authentication option not in name=value format") // it may be a secret's second half
			case !slices.Contains(hbaOptions, name):
				return fmt.Errorf("unrecognized authentication option name: %q", name)
			case name == "clientcert" && kind != "hostssl":
				return errors.New("clientcert can only be configured for \"hostssl\" rows")
			case name == "clientcert" && value != "verify-ca" && value != "verify-full":
				return fmt.Errorf("invalid value for clientcert: %q; use verify-ca or verify-full", value)
			case name == "map" && slices.Contains([]string{"trust", "reject", "scram-sha-256", "md5", "password", "ldap", "radius", "pam", "bsd"}, method):
				return fmt.Errorf("authentication option \"map\" is not valid for method %s", method)
			}
		}
	}
	return nil
}
