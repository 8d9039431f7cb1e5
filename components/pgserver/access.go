package pgserver

import (
	"reflect"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// MembershipOptions are how one role is a member of another.
type MembershipOptions struct{ pulumi.CustomResourceState }

type membershipOptionsArgs struct {
	Role    string  `pulumi:"role"`
	Member  string  `pulumi:"member"`
	Inherit bool    `pulumi:"inherit"`
	Set     bool    `pulumi:"set"`
	Admin   bool    `pulumi:"admin"`
	Trigger *string `pulumi:"trigger"`
}

// MembershipOptionsArgs are the inputs of MembershipOptions.
type MembershipOptionsArgs struct {
	Role    pulumi.StringInput
	Member  pulumi.StringInput
	Inherit pulumi.BoolInput
	Set     pulumi.BoolInput
	Admin   pulumi.BoolInput
	Trigger pulumi.StringPtrInput // what else makes the membership anew
}

// ElementType makes MembershipOptionsArgs an input.
func (MembershipOptionsArgs) ElementType() reflect.Type {
	return reflect.TypeFor[membershipOptionsArgs]()
}

// NewMembershipOptions registers MembershipOptions.
func NewMembershipOptions(ctx *pulumi.Context, name string, args *MembershipOptionsArgs, opts ...pulumi.ResourceOption) (*MembershipOptions, error) {
	var resource MembershipOptions
	return &resource, ctx.RegisterResource("pgserver:index:MembershipOptions", name, args, &resource, opts...)
}

// ObjectGrant is what a role may do with one object.
type ObjectGrant struct{ pulumi.CustomResourceState }

type objectGrantArgs struct {
	Database         string              `pulumi:"database"`
	Role             string              `pulumi:"role"`
	Class            string              `pulumi:"class"`
	Schema           *string             `pulumi:"schema"`
	Object           string              `pulumi:"object"`
	Privileges       []string            `pulumi:"privileges"`
	Columns          map[string][]string `pulumi:"columns"`
	GrantOption      bool                `pulumi:"grantOption"`
	GrantableColumns []string            `pulumi:"grantableColumns"`
}

// ObjectGrantArgs are the inputs of ObjectGrant.
type ObjectGrantArgs struct {
	Database         pulumi.StringInput
	Role             pulumi.StringInput
	Class            pulumi.StringInput
	Schema           pulumi.StringPtrInput
	Object           pulumi.StringInput
	Privileges       pulumi.StringArrayInput
	Columns          pulumi.StringArrayMapInput // by column of a table
	GrantOption      pulumi.BoolInput           // of the privileges on all of it
	GrantableColumns pulumi.StringArrayInput    // columns whose privileges it may grant to others
}

// ElementType makes ObjectGrantArgs an input.
func (ObjectGrantArgs) ElementType() reflect.Type { return reflect.TypeFor[objectGrantArgs]() }

// NewObjectGrant registers an ObjectGrant.
func NewObjectGrant(ctx *pulumi.Context, name string, args *ObjectGrantArgs, opts ...pulumi.ResourceOption) (*ObjectGrant, error) {
	var resource ObjectGrant
	return &resource, ctx.RegisterResource("pgserver:index:ObjectGrant", name, args, &resource, opts...)
}

// OwnedGrant is who may use all functions, or types, that one role owns.
type OwnedGrant struct{ pulumi.CustomResourceState }

type ownedGrantArgs struct {
	Database string              `pulumi:"database"`
	Owner    string              `pulumi:"owner"`
	Class    string              `pulumi:"class"`
	Allowed  map[string][]string `pulumi:"allowed"`
	Denied   map[string][]string `pulumi:"denied"`
	Except   map[string][]string `pulumi:"except"`
	Future   bool                `pulumi:"future"`
}

// OwnedGrantArgs are the inputs of OwnedGrant: schemas by role, and objects by role.
type OwnedGrantArgs struct {
	Database pulumi.StringInput
	Owner    pulumi.StringInput
	Class    pulumi.StringInput // function or type
	Allowed  pulumi.StringArrayMapInput
	Denied   pulumi.StringArrayMapInput
	Except   pulumi.StringArrayMapInput
	Future   pulumi.BoolInput // everybody is denied what will be created, too
}

// ElementType makes OwnedGrantArgs an input.
func (OwnedGrantArgs) ElementType() reflect.Type { return reflect.TypeFor[ownedGrantArgs]() }

// NewOwnedGrant registers an OwnedGrant.
func NewOwnedGrant(ctx *pulumi.Context, name string, args *OwnedGrantArgs, opts ...pulumi.ResourceOption) (*OwnedGrant, error) {
	var resource OwnedGrant
	return &resource, ctx.RegisterResource("pgserver:index:OwnedGrant", name, args, &resource, opts...)
}

// SchemaGrant is what a role may do with all objects of a class in a schema, but for those named.
type SchemaGrant struct{ pulumi.CustomResourceState }

type schemaGrantArgs struct {
	Database    string   `pulumi:"database"`
	Role        string   `pulumi:"role"`
	Class       string   `pulumi:"class"`
	Schema      string   `pulumi:"schema"`
	Except      []string `pulumi:"except"`
	Privileges  []string `pulumi:"privileges"`
	GrantOption bool     `pulumi:"grantOption"`
}

// SchemaGrantArgs are the inputs of SchemaGrant.
type SchemaGrantArgs struct {
	Database    pulumi.StringInput
	Role        pulumi.StringInput
	Class       pulumi.StringInput // table, sequence or function
	Schema      pulumi.StringInput
	Except      pulumi.StringArrayInput // objects about which grants of their own decide
	Privileges  pulumi.StringArrayInput
	GrantOption pulumi.BoolInput
}

// ElementType makes SchemaGrantArgs an input.
func (SchemaGrantArgs) ElementType() reflect.Type { return reflect.TypeFor[schemaGrantArgs]() }

// NewSchemaGrant registers a SchemaGrant.
func NewSchemaGrant(ctx *pulumi.Context, name string, args *SchemaGrantArgs, opts ...pulumi.ResourceOption) (*SchemaGrant, error) {
	var resource SchemaGrant
	return &resource, ctx.RegisterResource("pgserver:index:SchemaGrant", name, args, &resource, opts...)
}
