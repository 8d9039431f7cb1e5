package tests

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/witchcityrope/database/config/configtest"
	"github.com/witchcityrope/database/tests/stackreference"
)

func document(t *testing.T, path ...string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(append([]string{configtest.Root(t)}, path...)...))
	require.NoError(t, err)
	return string(content)
}

func TestReadmeShowsTheExampleThatCompiles(t *testing.T) {
	example := document(t, "tests", "stackreference", "api.go")
	assert.Contains(t, document(t, "README.md"), "```go\n"+example+"```\n", "copy tests/stackreference/api.go into README.md")
}

// consumer answers the example's stack reference and remembers its container.
type consumer struct{ container resource.PropertyMap }

func (c *consumer) NewResource(args pulumi.MockResourceArgs) (string, resource.PropertyMap, error) {
	if args.TypeToken == "pulumi:pulumi:StackReference" {
		return "reference", resource.PropertyMap{
			"name": args.Inputs["name"],
			"outputs": resource.NewProperty(resource.PropertyMap{
				"apiEnvironment": resource.MakeSecret(resource.NewProperty(resource.PropertyMap{
					"DB_HOST": resource.NewProperty("db"), "DB_PASSWORD": resource.NewProperty("hunter2"),
				})),
				"server":        resource.NewProperty(resource.PropertyMap{"network": resource.NewProperty("witchcityrope-database-dev")}),
				"caCertificate": resource.NewProperty("-----BEGIN CERTIFICATE-----"),
			}),
		}, nil
	}
	inputs, err := plugin.UnmarshalProperties(args.RegisterRPC.GetObject(), plugin.MarshalOptions{KeepSecrets: true})
	c.container = inputs
	return args.Name, args.Inputs, err
}

func (c *consumer) Call(args pulumi.MockCallArgs) (resource.PropertyMap, error) {
	return args.Args, nil
}

func TestExampleTakesTheOutputs(t *testing.T) {
	consumer := &consumer{}
	require.NoError(t, pulumi.RunErr(stackreference.API, pulumi.WithMocks("witchcityrope-api", "dev", consumer)))
	require.NotNil(t, consumer.container)
	envs := consumer.container["envs"]
	require.True(t, envs.IsSecret(), "the environment stays a secret")
	assert.Equal(t, []any{"DB_HOST=db", "DB_PASSWORD=hunter2"}, envs.SecretValue().Element.Mappable())
	assert.Equal(t, "witchcityrope-database-dev", consumer.container["networksAdvanced"].ArrayValue()[0].ObjectValue()["name"].StringValue())
}

// documents are the pages for people, by path.
func documents(t *testing.T) map[string]string {
	t.Helper()
	pages, err := filepath.Glob(filepath.Join(configtest.Root(t), "docs", "*.md"))
	require.NoError(t, err)
	require.NotEmpty(t, pages)
	found := map[string]string{}
	for _, page := range append(pages, filepath.Join(configtest.Root(t), "README.md"), filepath.Join(configtest.Root(t), "ARCHITECTURE.md")) {
		found[page] = document(t, strings.TrimPrefix(page, configtest.Root(t)))
	}
	return found
}

// anchors are those of a page's headings.
func anchors(page string) (found []string) {
	for _, heading := range regexp.MustCompile(`(?m)^#+ (.+)$`).FindAllStringSubmatch(page, -1) {
		kept := regexp.MustCompile(`[^a-z0-9 -]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		found = append(found, strings.ReplaceAll(kept, " ", "-"))
	}
	return found
}

func TestDocumentsLinkToWhatIsThere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]*)(?:#([^)]*))?\)`)
	pages := documents(t)
	for path, page := range pages {
		for _, found := range link.FindAllStringSubmatch(page, -1) {
			target := path
			if found[1] != "" {
				target = filepath.Join(filepath.Dir(path), filepath.FromSlash(found[1]))
			}
			_, err := os.Stat(target)
			assert.NoError(t, err, path)
			if found[2] != "" {
				assert.Contains(t, anchors(pages[target]), found[2], "%s: %s", path, found[0])
			}
		}
	}
}

// TestDocumentsNameTargetsThatAreThere: what is to be typed exists.
func TestDocumentsNameTargetsThatAreThere(t *testing.T) {
	targets := map[string]bool{}
	for line := range strings.Lines(document(t, "Makefile")) {
		if name, _, is := strings.Cut(line, ":"); is && regexp.MustCompile(`^[a-z0-9-]+$`).MatchString(name) {
			targets[name] = true
		}
	}
	used := regexp.MustCompile("(?m)(?:^|`)make ([a-z0-9-]+)")
	for name, page := range documents(t) {
		for _, found := range used.FindAllStringSubmatch(page, -1) {
			assert.True(t, targets[found[1]], "%s: make %s", name, found[1])
		}
	}
}
