package consequence

import (
	"fmt"
	"regexp"
	"strings"
)

// What an image's tag tells, such as postgres:16.14-alpine@sha256:… or timescaledb:2.14-pg16.
var (
	tag     = regexp.MustCompile(`:([^/:@]+)(?:@[^/]*)?$`)
	ofMajor = regexp.MustCompile(`(?:^|[-_.])pg-?(\d+)|^(\d+)`)
	system  = regexp.MustCompile(`alpine|bullseye|bookworm|trixie|forky`)
)

// told are the major version and the kind of system that an image's tag tells; empty where it does not.
func told(image string) (major, kind string) {
	parts := tag.FindStringSubmatch(image)
	if parts == nil {
		return "", ""
	}
	for _, named := range ofMajor.FindAllStringSubmatch(parts[1], -1) {
		if named[1] != "" { // pg16 says more than a number in front, which is somebody else's version
			major = named[1]
		} else if major == "" {
			major = named[2]
		}
	}
	return major, system.FindString(parts[1])
}

// ofImage explains another image; forbidding says that data made with the old
// one does not fit.
func ofImage(before, after string) (reason string, forbidding bool) {
	reason = fmt.Sprintf("image %s → %s", short(before), short(after))
	old, oldSystem := told(before)
	wanted, wantedSystem := told(after)
	switch {
	case old == "" || wanted == "":
		return reason, false
	case old != wanted:
		return fmt.Sprintf("%s: PostgreSQL %s does not start on data of PostgreSQL %s, which has to be dumped and restored", reason, wanted, old), true
	case oldSystem != wantedSystem && (oldSystem == "alpine" || wantedSystem == "alpine" || oldSystem != "" && wantedSystem != ""):
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
