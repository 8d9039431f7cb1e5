// Command bench times wcrdb against docker compose bringing up an equivalent
// container with init scripts: pairs in one run, medians, ratios.
//
//	go run ./tests/bench -rounds 5 -readme README.md
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/witchcityrope/database/internal/acquire"
	"github.com/witchcityrope/database/internal/dockerengine"
)

func main() {
	rounds := flag.Int("rounds", 5, "pairs per figure")
	readme := flag.String("readme", "", "file whose block of figures is written anew")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, *rounds, *readme)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, rounds int, readme string) error {
	docker, err := dockerengine.Connect(ctx, "")
	if err != nil {
		return err
	}
	image, err := acquire.FindImage(ctx, docker, officialImage)
	if err != nil {
		return err
	}
	compose, err := newCompose(image.Ref)
	if err != nil {
		fmt.Printf("not run: the pairs against docker compose, because %v\n", err)
	}
	var lines []string
	for _, plugins := range []string{"published", "stand-ins"} {
		missing, err := missingPlugins(plugins)
		if err != nil {
			return err
		}
		if missing != "" {
			fmt.Printf("not run: the figures with published plugins, because %s is not installed\n", missing)
			continue
		}
		measured, err := measure(ctx, plugins, rounds, compose)
		if err != nil {
			return fmt.Errorf("%s: %w", plugins, err)
		}
		lines = append(lines, measured...)
	}
	if compose != nil {
		if err := compose.close(); err != nil {
			return err
		}
	}
	clones, err := measureClones(ctx, docker)
	if err != nil {
		return fmt.Errorf("test databases: %w", err)
	}
	table := append([]string{
		fmt.Sprintf("Medians of %d rounds, image present, built wcrdb, nothing of the stack there; ratios are medians of pairs, with the least and the greatest; `make bench` makes them.", rounds), "",
		"| plugins | what | wcrdb | docker compose | ratio |", "|---|---|---|---|---|",
	}, append(lines, "", clones)...)
	fmt.Println(strings.Join(table, "\n"))
	if readme == "" {
		return nil
	}
	return rewrite(readme, strings.Join(table, "\n"))
}

// missingPlugins names the published plugins that are not installed.
func missingPlugins(plugins string) (string, error) {
	if plugins != "published" {
		return "", nil
	}
	found, err := acquire.FindPlugins()
	if err != nil {
		return "", err
	}
	var missing []string
	for _, plugin := range found {
		if !plugin.Published {
			missing = append(missing, plugin.String())
		}
	}
	return strings.Join(missing, ", "), nil
}

// measure times one choice of plugins.
func measure(ctx context.Context, plugins string, rounds int, compose *compose) (lines []string, err error) {
	stack, err := newStack("dev", plugins)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, stack.close()) }()
	var cold, unchanged, previews, changed, peer []time.Duration
	// Memory in a round of its own, since watching it takes time.
	stack.watched = true
	first, err := stack.cold(ctx)
	if err != nil {
		return nil, err
	}
	stack.watched = false
	if err := stack.down(ctx); err != nil {
		return nil, err
	}
	memory := first.memory
	for range rounds {
		if compose != nil {
			took, err := compose.cold(ctx)
			if err != nil {
				return nil, err
			}
			peer = append(peer, took)
		}
		took, err := stack.cold(ctx)
		if err != nil {
			return nil, err
		}
		cold = append(cold, took.time)
		again, err := stack.up(ctx)
		if err != nil {
			return nil, err
		}
		unchanged = append(unchanged, again.time)
		previewed, err := stack.wcrdb(ctx, "preview")
		if err != nil {
			return nil, err
		}
		previews = append(previews, previewed.time)
		settings, err := stack.changeSettings(ctx)
		if err != nil {
			return nil, err
		}
		changed = append(changed, settings.time)
		if err := stack.down(ctx); err != nil {
			return nil, err
		}
	}
	ratio := "not run | not run"
	if len(peer) > 0 {
		pairs := ratios(cold, peer)
		ratio = fmt.Sprintf("%.1f s | %.2f (%.2f to %.2f)", median(peer).Seconds(), median(pairs), slices.Min(pairs), slices.Max(pairs))
	}
	return []string{
		fmt.Sprintf("| %s | cold `up` of dev until the application can log in | %.1f s | %s |", plugins, median(cold).Seconds(), ratio),
		fmt.Sprintf("| %s | `up` with nothing to change | %.1f s | | |", plugins, median(unchanged).Seconds()),
		fmt.Sprintf("| %s | %d settings changed in one `up`, on top of that | %.1f s | | |", plugins, len(changingSettings),
			(median(changed) - median(unchanged)).Seconds()),
		fmt.Sprintf("| %s | `preview` with nothing to change | %.1f s | | |", plugins, median(previews).Seconds()),
		fmt.Sprintf("| %s | most memory of all processes of a cold `up` | %d MiB | | |", plugins, memory>>20),
	}, nil
}

// ratios are those of each pair.
func ratios(times, peers []time.Duration) []float64 {
	var found []float64
	for i, peer := range peers {
		found = append(found, times[i].Seconds()/peer.Seconds())
	}
	return found
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// Marks of the block that rewrite replaces.
const begin, end = "<!-- bench:begin -->", "<!-- bench:end -->"

func rewrite(path, table string) error {
	content, err := os.ReadFile(filepath.Clean(path))
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(content), begin)
	_, after, ended := strings.Cut(rest, end)
	if !found || !ended {
		return fmt.Errorf("%s has no block between %s and %s", path, begin, end)
	}
	return os.WriteFile(path, []byte(before+begin+"\n"+table+"\n"+end+after), 0o644)
}
