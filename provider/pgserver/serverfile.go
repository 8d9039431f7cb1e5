package pgserver

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	p "github.com/pulumi/pulumi-go-provider"
	"github.com/pulumi/pulumi-go-provider/infer"

	"github.com/witchcityrope/database/internal/postgres"
)

var (
	_ infer.CustomResource[ServerFileArgs, ServerFileState] = (*ServerFile)(nil)
	_ infer.CustomCheck[ServerFileArgs]                     = (*ServerFile)(nil)
	_ infer.CustomRead[ServerFileArgs, ServerFileState]     = (*ServerFile)(nil)
	_ infer.CustomUpdate[ServerFileArgs, ServerFileState]   = (*ServerFile)(nil)
	_ infer.CustomDelete[ServerFileState]                   = (*ServerFile)(nil)
)

// What is checked of a file's content.
const (
	checkNone = "none"
	checkTLS  = "tls"
	checkHBA  = "hba"
)

// hbaFile is never deleted: without it the server does not start.
const hbaFile = "pg_hba.conf"

// restoreLimit bounds how long writing a file or a setting, and putting the old one back after a fault, may take.
const restoreLimit = 30 * time.Second

// ServerFile is a file in the server's data directory.
type ServerFile struct{ server dialer }

// ServerFileArgs are the inputs of ServerFile.
type ServerFileArgs struct {
	Path    string `pulumi:"path" provider:"replaceOnChanges"`
	Content string `pulumi:"content" provider:"secret"`
	Reload  *bool  `pulumi:"reload,optional"`
	Check   string `pulumi:"check,optional"`
}

// ServerFileState is the state of ServerFile.
type ServerFileState struct{ ServerFileArgs }

// Annotate describes the resource.
func (r *ServerFile) Annotate(a infer.Annotator) {
	a.Describe(&r, "A file in the server's data directory, readable by the server alone, replaced as a whole. "+
		"What the server refuses is put back as it was. Deleting it deletes the file, except pg_hba.conf, which stays.")
}

// Annotate describes the inputs.
func (args *ServerFileArgs) Annotate(a infer.Annotator) {
	a.Describe(&args.Path, "Name of the file, directly in the data directory, for example server.pem.")
	a.Describe(&args.Content, "What the file holds, kept byte for byte.")
	a.Describe(&args.Reload, "Whether the server reloads its configuration after a change.")
	a.SetDefault(&args.Reload, true)
	a.Describe(&args.Check, "What the content is, and so how it is checked: none; "+
		"tls (a certificate chain and its private key in PEM, for ssl_cert_file and ssl_key_file alike: the two must match, "+
		"and new connections must be shown the certificate); "+
		"hba (access rules: the server must understand every line, and still let the provider in).")
	a.SetDefault(&args.Check, checkNone)
}

// Check reports all faults of the inputs.
func (*ServerFile) Check(ctx context.Context, request infer.CheckRequest) (infer.CheckResponse[ServerFileArgs], error) {
	args, failures, err := infer.DefaultCheck[ServerFileArgs](ctx, request.NewInputs)
	if err != nil || len(failures) > 0 {
		return infer.CheckResponse[ServerFileArgs]{Inputs: args, Failures: failures}, err
	}
	if reason := pathFault(args.Path); reason != "" {
		failures = append(failures, p.CheckFailure{Property: "path", Reason: reason})
	}
	checks := []string{checkNone, checkTLS, checkHBA}
	if !slices.Contains(checks, args.Check) {
		failures = append(failures, p.CheckFailure{
			Property: "check", Reason: fmt.Sprintf("%q is unknown; use one of %s", args.Check, strings.Join(checks, ", ")),
		})
	}
	if err := contentFault(args); err != nil {
		failures = append(failures, p.CheckFailure{Property: "content", Reason: err.Error()})
	}
	return infer.CheckResponse[ServerFileArgs]{Inputs: args, Failures: onlyKnown(request.NewInputs, failures)}, nil
}

var fileName = regexp.MustCompile(`^[A-Za-z0-9_.][A-Za-z0-9_.-]*$`)

// serverOwned are the names in a data directory that are the server's own business.
var serverOwned = regexp.MustCompile(`^(base|global|log|PG_VERSION|current_logfiles|backup_label.*|tablespace_map.*|` +
	`postgresql\.conf|postgresql\.auto\.conf|postmaster\..*|standby\.signal|recovery\.signal|backup_manifest|pg_[a-z_]+)$`)

// pathFault says why path cannot be managed, or nothing.
func pathFault(path string) string {
	switch {
	case path == "":
		return "is empty; name a file, for example server.pem"
	case !fileName.MatchString(path) || strings.HasPrefix(path, ".."):
		return fmt.Sprintf("%q is not a plain file name directly in the data directory; "+
			"use letters, digits, dot, hyphen and underscore, and no folders", path)
	case path == "." || serverOwned.MatchString(path):
		return fmt.Sprintf("%q belongs to the server itself; choose another name", path)
	case strings.HasSuffix(path, asideSuffix):
		return fmt.Sprintf("%q is the name under which %q would be prepared; choose another name", path, strings.TrimSuffix(path, asideSuffix))
	case len(path) > 100:
		return fmt.Sprintf("%q has %d characters; use 100 at most", path, len(path))
	}
	return ""
}

// contentFault says why the content cannot be what it is said to be, or nothing.
func contentFault(args ServerFileArgs) error {
	switch args.Check {
	case checkTLS:
		_, err := parseBundle(args.Content)
		return err
	case checkHBA:
		if err := postgres.CheckHBA(args.Content); err != nil {
			return fmt.Errorf("is not a file of access rules that a server would take: %s; correct these lines", strings.ReplaceAll(err.Error(), "\n", "; "))
		}
	}
	return nil
}

// parseBundle reads a certificate chain and its key. Its errors do not repeat the content.
func parseBundle(content string) (tls.Certificate, error) {
	bundle, err := tls.X509KeyPair([]byte(content), []byte(content))
	if err != nil {
		return bundle, fmt.Errorf("is not a certificate with its private key: %w; "+
			"give the server's certificate, then those between it and the CA, then the unencrypted private key, all in PEM", err)
	}
	return bundle, nil
}

// Create writes the file, over one that is there already.
func (r *ServerFile) Create(ctx context.Context, request infer.CreateRequest[ServerFileArgs]) (infer.CreateResponse[ServerFileState], error) {
	return created(request, request.Inputs.Path, ServerFileState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs) })
}

// Update writes the file again.
func (r *ServerFile) Update(ctx context.Context, request infer.UpdateRequest[ServerFileArgs, ServerFileState]) (infer.UpdateResponse[ServerFileState], error) {
	return updated(request, ServerFileState{request.Inputs}, func() error { return r.apply(ctx, request.Inputs) })
}

// Read finds what the file holds.
func (r *ServerFile) Read(ctx context.Context, request infer.ReadRequest[ServerFileArgs, ServerFileState]) (infer.ReadResponse[ServerFileArgs, ServerFileState], error) {
	inputs := request.Inputs
	if inputs.Path == "" { // an import
		reload := true
		inputs = ServerFileArgs{Path: request.ID, Reload: &reload, Check: checkNone}
		if request.ID == hbaFile {
			inputs.Check = checkHBA
		}
		if reason := pathFault(request.ID); reason != "" {
			return infer.ReadResponse[ServerFileArgs, ServerFileState]{}, fmt.Errorf("importing a file: the name %s", reason)
		}
	}
	response := infer.ReadResponse[ServerFileArgs, ServerFileState]{}
	err := r.server.asSuperuser(ctx, func(s *session) error {
		content, exists, err := s.readFile(ctx, inputs.Path)
		if err != nil || !exists {
			return err
		}
		inputs.Content = content
		if !utf8.ValidString(content) {
			inputs.Content = strings.ToValidUTF8(content, "\uFFFD")
		}
		response.ID, response.Inputs, response.State = inputs.Path, inputs, ServerFileState{inputs}
		return nil
	})
	return response, err
}

// Delete removes the file, except the access rules.
func (r *ServerFile) Delete(ctx context.Context, request infer.DeleteRequest[ServerFileState]) (infer.DeleteResponse, error) {
	if request.State.Path == hbaFile {
		return infer.DeleteResponse{}, nil
	}
	return infer.DeleteResponse{}, r.server.asSuperuser(ctx, func(s *session) error {
		return s.removeFile(ctx, request.State.Path)
	})
}

// apply writes the file and makes the server use it; what the server refuses is put back as it was.
func (r *ServerFile) apply(ctx context.Context, args ServerFileArgs) error {
	return r.server.asSuperuser(ctx, func(s *session) error {
		old, existed, err := s.readFile(ctx, args.Path)
		if err != nil {
			return err
		}
		if err := r.prepare(ctx, s, args); err != nil {
			return err
		}
		if !existed || old != args.Content {
			if err := s.writeSteadfastly(ctx, args.Path, args.Content); err != nil {
				return err
			}
		}
		if err := r.activate(ctx, s, args); err != nil {
			err = fmt.Errorf("%s: %w", args.Path, err)
			if restoreErr := r.restore(ctx, s, args, old, existed); restoreErr != nil {
				return errors.Join(err, fmt.Errorf("putting the old %s back: %w", args.Path, restoreErr))
			}
			return err
		}
		return nil
	})
}

// prepare refuses what can be known to be wrong before anything is written.
func (r *ServerFile) prepare(ctx context.Context, s *session, args ServerFileArgs) error {
	if err := contentFault(args); err != nil {
		return fmt.Errorf("%s: the content %w", args.Path, err)
	}
	if args.Check == checkHBA {
		used, path, err := s.isFileOf(ctx, "hba_file", args.Path)
		if err != nil {
			return err
		}
		if !used {
			return fmt.Errorf("%s: the server reads its access rules from %s instead; remove hba_file from its settings, or use check none", args.Path, path)
		}
	}
	return nil
}

// activate makes the server read the file that was written, and proves that it uses it.
func (r *ServerFile) activate(ctx context.Context, s *session, args ServerFileArgs) error {
	if args.Check == checkHBA {
		if err := s.checkRules(ctx); err != nil {
			return err
		}
	}
	if args.Reload != nil && !*args.Reload {
		return nil
	}
	if err := s.reload(ctx); err != nil {
		return err
	}
	switch args.Check {
	case checkHBA:
		if err := r.server.with(ctx, s.config, func(*session) error { return nil }); err != nil {
			return fmt.Errorf("with these access rules the provider itself cannot log in any more, so they were taken back: %w", err)
		}
	case checkTLS:
		return s.checkPresented(ctx, args)
	}
	return nil
}

// restore puts a file back as it was before, and makes the server read it, even if nobody waits any more.
func (r *ServerFile) restore(ctx context.Context, s *session, args ServerFileArgs, old string, existed bool) error {
	ctx, cancel := steadfast(ctx)
	defer cancel()
	err := r.server.revive(ctx, s)
	switch {
	case err != nil:
		return err
	case existed:
		err = s.writeFile(ctx, args.Path, old)
	default:
		err = s.removeFile(ctx, args.Path)
	}
	if err != nil || args.Reload != nil && !*args.Reload {
		return err
	}
	return s.reload(ctx)
}

// checkRules reports the lines of pg_hba.conf that the server does not understand. It reads the file
// as it lies there, before the server is told to use it. A line that it understands may have a remark,
// for example that it cannot match while TLS is off: that is no fault.
func (s *session) checkRules(ctx context.Context) error {
	var faults []string
	err := s.QueryRow(ctx, `SELECT coalesce(array_agg(format('line %s: %s', line_number, error) ORDER BY line_number), '{}')
		FROM pg_hba_file_rules WHERE error IS NOT NULL AND type IS NULL`).Scan(&faults)
	if err != nil {
		return fmt.Errorf("asking the server whether it understands the access rules: %w", explain(err))
	}
	if len(faults) > 0 {
		return fmt.Errorf("the server does not understand these access rules, so they were taken back (%s); correct them", strings.Join(faults, "; "))
	}
	return nil
}

// checkPresented proves that new connections are shown the certificate, where TLS is on and uses it.
func (s *session) checkPresented(ctx context.Context, args ServerFileArgs) error {
	var on bool
	if err := s.QueryRow(ctx, "SELECT current_setting('ssl')::bool").Scan(&on); err != nil {
		return fmt.Errorf("asking whether TLS is on: %w", explain(err))
	}
	used, _, err := s.isFileOf(ctx, "ssl_cert_file", args.Path)
	if err != nil || !on || !used {
		return err
	}
	bundle, err := parseBundle(args.Content)
	if err != nil {
		return err
	}
	shown, err := s.config.presented(ctx)
	if err != nil {
		return fmt.Errorf("after the reload no TLS connection could be made, so the old file was put back: %w; see the server's log", err)
	}
	if !slices.Equal(shown.Raw, bundle.Certificate[0]) {
		return fmt.Errorf("the server did not take this certificate but still shows the one with serial number %s, so the old file was put back; "+
			"see the server's log", shown.SerialNumber)
	}
	return nil
}
