# make up            the database of STACK (dev unless said otherwise), on this machine
# make test          all tests
# Everything else is wcrdb's: bin/wcrdb --help
STACK ?= dev
WCRDB  = bin/wcrdb --stack $(STACK)

.PHONY: up preview refresh down outputs doctor build test e2e cross bench lint golden fuzz record-consequences record-credentials record-operations record-settings record-access

up: build
	$(WCRDB) up $(ARGS)

preview: build
	$(WCRDB) preview $(ARGS)

refresh: build
	$(WCRDB) refresh

down: build
	$(WCRDB) down $(ARGS)

outputs: build
	$(WCRDB) outputs $(ARGS)

doctor: build
	$(WCRDB) doctor

build:
	go build -trimpath -ldflags "-s -w" -o bin/wcrdb ./cmd/wcrdb

# All tests; then the end-to-end suite with stand-ins and, where they are
# installed, with the published plugins. The lists at the end name what was not
# run, with its reason.
GOTESTSUM = go tool gotestsum --format pkgname-and-test-fails --

test: build
	bin/wcrdb setup --stack test
	$(GOTESTSUM) -timeout 30m ./...
	$(MAKE) e2e

e2e: build
	$(GOTESTSUM) -timeout 85m -count=1 -run EndToEnd ./tests/e2e -e2e $(ARGS)

# What rotations and floods do to clients.
record-credentials: build
	go test ./tests/e2e -timeout 60m -count=1 -parallel 1 -run 'EndToEnd(RotationUnderLoad|Flood)$$' -e2e -record-credentials $(CURDIR)/reports/credentials.md

# What backup, drill and restore of 1 GiB take, into reports/operations.md.
record-operations: build
	go test ./tests/e2e -timeout 60m -count=1 -run 'EndToEndLarge$$' -e2e -record-operations $(CURDIR)/reports/operations.md

# What preview foretells against what happens, over all areas of the configuration; and what changes of settings do to sessions under load.
record-consequences: build
	go test ./tests/e2e -timeout 60m -count=1 -run 'EndToEnd(Consequences|SettingsUnderLoad)$$' -e2e -record-consequences reports/consequences.md

# Pairs against docker compose; the figures go into README.md.
ROUNDS ?= 5
bench: build
	bin/wcrdb setup --stack dev
	go run ./tests/bench -rounds $(ROUNDS) -readme README.md

lint:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "run gofmt -w on:" $$unformatted; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	go mod tidy -diff

# The program builds for every platform that Pulumi and Docker run on, and its tests compile there.
cross:
	for os in linux darwin windows; do for arch in amd64 arm64; do \
		echo $$os/$$arch; GOOS=$$os GOARCH=$$arch go build ./cmd/wcrdb . ./provider || exit 1; done; GOOS=$$os go vet ./... || exit 1; done

golden:
	go test ./tests -run Golden -update

fuzz:
	go test ./config -run '^$$' -fuzz FuzzDecode -fuzztime 30s
	go test ./internal/catalogue -run '^$$' -fuzz FuzzParse -fuzztime 30s
	go test ./internal/postgres -run '^$$' -fuzz FuzzRenderHBA -fuzztime 30s
	go test ./internal/migration -run '^$$' -fuzz FuzzSplit -fuzztime 30s

# Random access, judged by the model and by servers of all major versions; then prod's, changed in every single way.
GRAPHS ?= 120
record-access:
	go test ./internal/privileges/inspect -timeout 60m -count=1 -record $(GRAPHS)
	go test ./tests/e2e -timeout 60m -count=1 -parallel 1 -run 'EndToEndAccess$$' -e2e -record-access $(CURDIR)/reports/access.md

# The catalogue of settings against real servers of every major; what came of it goes into reports/settings.md.
record-settings:
	go test ./internal/catalogue -run TestRecord -record -seed 3 -count=1 -v -timeout 60m
