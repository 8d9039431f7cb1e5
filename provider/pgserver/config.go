package pgserver

import (
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"
	"github.com/pulumi/pulumi/sdk/v3/go/property"

	"github.com/witchcityrope/database/internal/postgres"
)

// The TLS modes of a connection.
const (
	tlsPrefer     = "prefer"
	tlsRequire    = "require"
	tlsVerifyFull = "verify-full"
)

const (
	defaultPort         = 5432
	defaultDatabase     = "postgres"
	defaultReadyTimeout = 60
)

// Config is how the provider reaches the server. All of it is known at preview.
type Config struct {
	Host              string   `pulumi:"host"`
	Port              int      `pulumi:"port,optional"`
	Username          string   `pulumi:"username"`
	Database          string   `pulumi:"database,optional"`
	Password          string   `pulumi:"password" provider:"secret"`
	FallbackPasswords []string `pulumi:"fallbackPasswords,optional" provider:"secret"`
	TLSMode           string   `pulumi:"tlsMode,optional"`
	CAFile            *string  `pulumi:"caFile,optional"`
	ReadyTimeout      int      `pulumi:"readyTimeout,optional"`
}

// Annotate describes the configuration.
func (c *Config) Annotate(a infer.Annotator) {
	a.Describe(&c.Host, "Name or IP address of the server.")
	a.Describe(&c.Port, "TCP port of the server.")
	a.SetDefault(&c.Port, defaultPort)
	a.Describe(&c.Username, "Superuser to log in as.")
	a.Describe(&c.Database, "Database to connect to for maintenance.")
	a.SetDefault(&c.Database, defaultDatabase)
	a.Describe(&c.Password, "Password that the superuser has, or is to have.")
	a.Describe(&c.FallbackPasswords, "Passwords that the superuser may still have, tried in order where the password is refused.")
	a.Describe(&c.TLSMode, "prefer (TLS where the server offers it, unverified: loopback only), "+
		"require (TLS, unverified) or verify-full (TLS, certificate and host name verified).")
	a.SetDefault(&c.TLSMode, tlsPrefer)
	a.Describe(&c.CAFile, "File with the certificates to trust with verify-full, in PEM; the system's own if not given.")
	a.Describe(&c.ReadyTimeout, "Seconds to wait for the server to accept connections.")
	a.SetDefault(&c.ReadyTimeout, defaultReadyTimeout)
}

// Check applies the defaults and reports all faults of the configuration.
func (*Config) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[*Config], error) {
	inputs := request.NewInputs
	for key := range inputs.All {
		if key == "version" || key == "pluginDownloadURL" || strings.HasPrefix(key, "__") {
			inputs = inputs.Delete(key) // the engine's own
		}
	}
	config, failures, err := infer.DefaultCheck[*Config](ctx, inputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[*Config]{Inputs: config, Failures: failures}, err
	}
	return infer.CheckResponse[*Config]{Inputs: config, Failures: onlyKnown(inputs, config.faults())}, nil
}

func (c *Config) faults() []p.CheckFailure {
	var faults []p.CheckFailure
	fault := func(property, format string, args ...any) {
		faults = append(faults, p.CheckFailure{Property: property, Reason: fmt.Sprintf(format, args...)})
	}
	if !isHost(c.Host) {
		fault("host", "%q is neither a host name nor an IP address; give one, for example 127.0.0.1", c.Host)
	}
	if c.Port < 1 || c.Port > 65535 {
		fault("port", "%d is not a TCP port; use 1 to 65535", c.Port)
	}
	if c.Username == "" {
		fault("username", "is empty; name the superuser, for example postgres")
	}
	if c.Password == "" {
		fault("password", "is empty; PostgreSQL refuses empty passwords")
	}
	modes := []string{tlsPrefer, tlsRequire, tlsVerifyFull}
	if !slices.Contains(modes, c.TLSMode) {
		fault("tlsMode", "%q is unknown; use one of %s", c.TLSMode, strings.Join(modes, ", "))
	}
	if c.TLSMode == tlsPrefer && isHost(c.Host) && !isLoopback(c.Host) {
		fault("tlsMode", "prefer may send data in clear, and %q is not this machine; use verify-full with caFile", c.Host)
	}
	if c.CAFile != nil && c.TLSMode != tlsVerifyFull {
		fault("caFile", "%q would not be used with tlsMode %q; use tlsMode verify-full, or remove it", *c.CAFile, c.TLSMode)
	}
	if c.ReadyTimeout < 1 {
		fault("readyTimeout", "%d is not a number of seconds to wait; use 1 or more, for example %d", c.ReadyTimeout, defaultReadyTimeout)
	}
	return faults
}

// diffConfig never asks for a replacement: however the server is reached, what was made in it stays.
func diffConfig(_ context.Context, request p.DiffRequest) (p.DiffResponse, error) {
	changes := map[string]p.PropertyDiff{}
	for key := range request.State.All {
		if _, kept := request.Inputs.GetOk(key); !kept && isConfig(key) {
			changes[key] = p.PropertyDiff{Kind: p.Delete, InputDiff: true}
		}
	}
	for key, value := range request.Inputs.All {
		before, known := request.State.GetOk(key)
		switch {
		case !isConfig(key) || slices.Contains(request.IgnoreChanges, key):
		case !known:
			changes[key] = p.PropertyDiff{Kind: p.Add, InputDiff: true}
		case !before.WithSecret(false).Equals(value.WithSecret(false)):
			changes[key] = p.PropertyDiff{Kind: p.Update, InputDiff: true}
		}
	}
	return p.DiffResponse{HasChanges: len(changes) > 0, DetailedDiff: changes}, nil
}

// isConfig tells our own properties from those that the engine and the framework add.
func isConfig(key string) bool { return key != "version" && !strings.HasPrefix(key, "__") }

func (c Config) address() string { return net.JoinHostPort(c.Host, strconv.Itoa(c.Port)) }

func (c Config) readyTimeout() time.Duration { return time.Duration(c.ReadyTimeout) * time.Second }

// withoutFallbacks is the configuration that logs in with the current password only.
func (c Config) withoutFallbacks() Config {
	c.FallbackPasswords = nil
	return c
}

func isHost(host string) bool { return host != "" && !strings.ContainsAny(host, "/ ,") }

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// identifierFaults are those of names, by the property that has each.
func identifierFaults(names map[string]string) []p.CheckFailure {
	var faults []p.CheckFailure
	for _, property := range slices.Sorted(maps.Keys(names)) {
		if err := postgres.ValidateIdentifier(names[property]); err != nil {
			faults = append(faults, p.CheckFailure{Property: property, Reason: err.Error()})
		}
	}
	return faults
}

// onlyKnown leaves out the faults of properties whose value is not known yet.
func onlyKnown(inputs property.Map, faults []p.CheckFailure) []p.CheckFailure {
	return slices.DeleteFunc(faults, func(fault p.CheckFailure) bool {
		return inputs.Get(fault.Property).HasComputed()
	})
}
