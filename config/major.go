package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/witchcityrope/database/internal/catalogue"
)

// Major is the major version of PostgreSQL that the stack runs on.
func (s *Stack) Major() int {
	if s.Target.Major != 0 {
		return s.Target.Major
	}
	if major := s.imageMajor(); s.Target.Type != External && major != 0 {
		return major
	}
	return catalogue.DefaultMajor
}

// tagMajor is the number that the tag of an image begins with, as in postgres:16.14-alpine.
var tagMajor = regexp.MustCompile(`:(\d{1,3})([.-][^/]*)?$`)

// imageMajor is the major version that the image's tag tells, or 0.
func (s *Stack) imageMajor() int {
	name, _, _ := strings.Cut(s.Server.Image, "@")
	parts := tagMajor.FindStringSubmatch(name)
	if parts == nil {
		return 0
	}
	major, err := strconv.Atoi(parts[1])
	if err != nil {
		panic(err) // three digits at most
	}
	return major
}

// Catalogue has the settings of the stack's version of PostgreSQL; of the
// default one where the stack's has a fault of its own.
func (s *Stack) Catalogue() *catalogue.Catalogue {
	known, err := catalogue.For(s.Major())
	if err != nil {
		known, err = catalogue.For(catalogue.DefaultMajor)
	}
	if err != nil {
		panic(err) // the catalogues are part of the program
	}
	return known
}

// majorVersion refuses a version whose settings are not known, or that is not the image's.
func majorVersion(s *Stack, faults *Faults) {
	declared, image := s.Target.Major, s.imageMajor()
	known := fmt.Sprintf("is not a version whose settings are known (%d to %d)", slices.Min(catalogue.Majors), slices.Max(catalogue.Majors))
	switch {
	case declared != 0 && !slices.Contains(catalogue.Majors, declared):
		faults.add("target.major", declared, known, "choose one of them")
	case s.Target.Type == External || !imageByDigest.MatchString(s.Server.Image):
	case image == 0 && declared == 0:
		faults.add("target.major", nil, "server.image's tag does not say which version of PostgreSQL it is", "set it, e.g. to 16")
	case image != 0 && declared != 0 && image != declared:
		faults.add("target.major", declared, fmt.Sprintf("server.image is PostgreSQL %d", image), "leave it out")
	case image != 0 && !slices.Contains(catalogue.Majors, image):
		faults.add("server.image", s.Server.Image, known, "choose one of them")
	}
}
