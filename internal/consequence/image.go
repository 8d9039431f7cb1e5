package consequence

import (
	"fmt"
	"regexp"
	"strings"
)

// tagged takes the version and the kind of system out of an image's tag, such
// as postgres:16.14-alpine@sha256:….
var tagged = regexp.MustCompile(`:(\d+)(?:\.\d+)?(?:-(alpine|bookworm|trixie|bullseye))?[^/]*$`)

// ofImage explains another image; forbidding says that data made with the old
// one does not fit.
func ofImage(before, after string) (reason string, forbidding bool) {
	reason = fmt.Sprintf("image %s → %s", short(before), short(after))
	old, wanted := tagged.FindStringSubmatch(before), tagged.FindStringSubmatch(after)
	switch {
	case old == nil || wanted == nil:
		return reason, false
	case old[1] != wanted[1]:
		return fmt.Sprintf("%s: PostgreSQL %s does not start on data of PostgreSQL %s, which has to be dumped and restored", reason, wanted[1], old[1]), true
	case (old[2] == "alpine") != (wanted[2] == "alpine"):
		return reason + ": another C library sorts text otherwise, and indexes on text have to be built anew", true
	default:
		return reason, false
	}
}

// short is an image's name without most of its digest.
func short(image string) string {
	name, digest, has := strings.Cut(image, "@sha256:")
	if !has {
		return image
	}
	return name + "@" + digest[:min(len(digest), 8)]
}
