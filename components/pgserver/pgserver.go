// Package pgserver registers the resources of our own provider, which does in a
// server what no published provider can: the data directory and files in it, the
// superuser's password, system settings, adoption of roles.
// What each resource does is said in provider/pgserver.
package pgserver

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Provider is a connection to one server as its superuser.
type Provider struct{ pulumi.ProviderResourceState }

type providerArgs struct {
	Host              string   `pulumi:"host"`
	Port              int      `pulumi:"port"`
	Username          string   `pulumi:"username"`
	Password          string   `pulumi:"password"`
	FallbackPasswords []string `pulumi:"fallbackPasswords"`
	TLSMode           string   `pulumi:"tlsMode"`
	CAFile            *string  `pulumi:"caFile"`
	ReadyTimeout      int      `pulumi:"readyTimeout"`
}

// ProviderArgs are the connection settings; all of them are known at preview.
type ProviderArgs struct {
	Host              pulumi.StringInput
	Port              pulumi.IntInput
	Username          pulumi.StringInput
	Password          pulumi.StringInput      // the one that the server has after this run
	FallbackPasswords pulumi.StringArrayInput // those that it may still have
	TLSMode           pulumi.StringInput
	CAFile            pulumi.StringPtrInput
	ReadyTimeout      pulumi.IntInput // seconds
}

// ElementType makes ProviderArgs an input.
func (ProviderArgs) ElementType() reflect.Type { return reflect.TypeFor[providerArgs]() }

// NewProvider registers a connection.
func NewProvider(ctx *pulumi.Context, name string, args *ProviderArgs, opts ...pulumi.ResourceOption) (*Provider, error) {
	var provider Provider
	return &provider, ctx.RegisterResource("pulumi:providers:pgserver", name, args, &provider, opts...)
}

// DataDirectory is a data directory that is initialised.
type DataDirectory struct{ pulumi.CustomResourceState }

type dataDirectoryArgs struct {
	Volume      string            `pulumi:"volume"`
	Path        string            `pulumi:"path"`
	Image       string            `pulumi:"image"`
	Environment []string          `pulumi:"environment"`
	Container   string            `pulumi:"container"`
	Labels      map[string]string `pulumi:"labels"`
}

// DataDirectoryArgs are the inputs of DataDirectory.
type DataDirectoryArgs struct {
	Volume      pulumi.StringInput
	Path        pulumi.StringInput // where the volume is mounted
	Image       pulumi.StringInput
	Environment pulumi.StringArrayInput // NAME=value
	Container   pulumi.StringInput      // the name of the one that initialises it
	Labels      pulumi.StringMapInput
}

// ElementType makes DataDirectoryArgs an input.
func (DataDirectoryArgs) ElementType() reflect.Type { return reflect.TypeFor[dataDirectoryArgs]() }

// NewDataDirectory registers a DataDirectory.
func NewDataDirectory(ctx *pulumi.Context, name string, args *DataDirectoryArgs, opts ...pulumi.ResourceOption) (*DataDirectory, error) {
	var resource DataDirectory
	opts = append(opts, pulumi.AdditionalSecretOutputs([]string{"environment"}))
	return &resource, ctx.RegisterResource("pgserver:index:DataDirectory", name, args, &resource, opts...)
}

// Superuser is a running server that accepts its superuser's password.
type Superuser struct {
	pulumi.CustomResourceState
	ServerVersion pulumi.StringOutput `pulumi:"serverVersion"`
}

type superuserArgs struct {
	Username string `pulumi:"username"`
	Verifier string `pulumi:"verifier"`
	Server   string `pulumi:"server"`
}

// SuperuserArgs are the inputs of Superuser.
type SuperuserArgs struct {
	Username pulumi.StringInput
	Verifier pulumi.StringInput
	Server   pulumi.StringInput // what runs the server; when it changes, readiness is awaited again
}

// ElementType makes SuperuserArgs an input.
func (SuperuserArgs) ElementType() reflect.Type { return reflect.TypeFor[superuserArgs]() }

// NewSuperuser registers a Superuser.
func NewSuperuser(ctx *pulumi.Context, name string, args *SuperuserArgs, opts ...pulumi.ResourceOption) (*Superuser, error) {
	var resource Superuser
	opts = append(opts, pulumi.AdditionalSecretOutputs([]string{"verifier"}))
	return &resource, ctx.RegisterResource("pgserver:index:Superuser", name, args, &resource, opts...)
}

// ServerFile is a file in the server's data directory.
type ServerFile struct{ pulumi.CustomResourceState }

type serverFileArgs struct {
	Path    string `pulumi:"path"`
	Content string `pulumi:"content"`
	Reload  bool   `pulumi:"reload"`
	Check   string `pulumi:"check"`
}

// ServerFileArgs are the inputs of ServerFile.
type ServerFileArgs struct {
	Path    pulumi.StringInput
	Content pulumi.StringInput
	Reload  pulumi.BoolInput
	Check   pulumi.StringInput // none, tls or hba
}

// ElementType makes ServerFileArgs an input.
func (ServerFileArgs) ElementType() reflect.Type { return reflect.TypeFor[serverFileArgs]() }

// NewServerFile registers a ServerFile.
func NewServerFile(ctx *pulumi.Context, name string, args *ServerFileArgs, opts ...pulumi.ResourceOption) (*ServerFile, error) {
	var resource ServerFile
	return &resource, ctx.RegisterResource("pgserver:index:ServerFile", name, args, &resource, opts...)
}

// SystemSetting is a setting that ALTER SYSTEM has made.
type SystemSetting struct{ pulumi.CustomResourceState }

type systemSettingArgs struct {
	Name  string `pulumi:"name"`
	Value string `pulumi:"value"`
}

// SystemSettingArgs are the inputs of SystemSetting.
type SystemSettingArgs struct {
	Name  pulumi.StringInput
	Value pulumi.StringInput
}

// ElementType makes SystemSettingArgs an input.
func (SystemSettingArgs) ElementType() reflect.Type { return reflect.TypeFor[systemSettingArgs]() }

// NewSystemSetting registers a SystemSetting.
func NewSystemSetting(ctx *pulumi.Context, name string, args *SystemSettingArgs, opts ...pulumi.ResourceOption) (*SystemSetting, error) {
	var resource SystemSetting
	return &resource, ctx.RegisterResource("pgserver:index:SystemSetting", name, args, &resource, opts...)
}

// SessionDefault is what a setting is in new sessions of a role, of a database, or of a role in a database.
type SessionDefault struct{ pulumi.CustomResourceState }

type sessionDefaultArgs struct {
	Role     *string `pulumi:"role"`
	Database *string `pulumi:"database"`
	Name     string  `pulumi:"name"`
	Value    string  `pulumi:"value"`
}

// SessionDefaultArgs are the inputs of SessionDefault: a role, a database or both, and a setting.
type SessionDefaultArgs struct {
	Role     pulumi.StringPtrInput
	Database pulumi.StringPtrInput
	Name     pulumi.StringInput
	Value    pulumi.StringInput
}

// ElementType makes SessionDefaultArgs an input.
func (SessionDefaultArgs) ElementType() reflect.Type { return reflect.TypeFor[sessionDefaultArgs]() }

// NewSessionDefault registers a SessionDefault.
func NewSessionDefault(ctx *pulumi.Context, name string, args *SessionDefaultArgs, opts ...pulumi.ResourceOption) (*SessionDefault, error) {
	var resource SessionDefault
	return &resource, ctx.RegisterResource("pgserver:index:SessionDefault", name, args, &resource, opts...)
}

// Database is a database that exists; it is never dropped.
type Database struct{ pulumi.CustomResourceState }

type databaseArgs struct {
	Name string `pulumi:"name"`
}

// DatabaseArgs are the inputs of Database.
type DatabaseArgs struct{ Name pulumi.StringInput }

// ElementType makes DatabaseArgs an input.
func (DatabaseArgs) ElementType() reflect.Type { return reflect.TypeFor[databaseArgs]() }

// NewDatabase registers a Database.
func NewDatabase(ctx *pulumi.Context, name string, args *DatabaseArgs, opts ...pulumi.ResourceOption) (*Database, error) {
	var resource Database
	return &resource, ctx.RegisterResource("pgserver:index:Database", name, args, &resource, opts...)
}

// Adoption is one half of the adoption of roles that a server already has.
type Adoption struct{ pulumi.CustomResourceState }

type adoptionArgs struct {
	Roles []string `pulumi:"roles"`
}

// AdoptionArgs are the inputs of both halves: the names of the roles.
type AdoptionArgs struct{ Roles pulumi.StringArrayInput }

// ElementType makes AdoptionArgs an input.
func (AdoptionArgs) ElementType() reflect.Type { return reflect.TypeFor[adoptionArgs]() }

// NewSetAside registers the first half: roles that exist but are in no state make room.
func NewSetAside(ctx *pulumi.Context, name string, args *AdoptionArgs, opts ...pulumi.ResourceOption) (*Adoption, error) {
	var resource Adoption
	return &resource, ctx.RegisterResource("pgserver:index:SetAside", name, args, &resource, opts...)
}

// NewPutBack registers the second half: they take the place of the roles that
// were made meanwhile, with all that they own and may do.
func NewPutBack(ctx *pulumi.Context, name string, args *AdoptionArgs, opts ...pulumi.ResourceOption) (*Adoption, error) {
	var resource Adoption
	return &resource, ctx.RegisterResource("pgserver:index:PutBack", name, args, &resource, opts...)
}
