# make up            the database of STACK (dev unless said otherwise), on this machine
# make test          all tests
# Everything else is wcrdb's: bin/wcrdb --help
STACK ?= dev
WCRDB  = bin/wcrdb --stack $(STACK)

.PHONY: up preview refresh down outputs doctor build test e2e bench lint golden fuzz

up: build
	$(WCRDB) up

preview: build
	$(WCRDB) preview

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

# Unit tests, then the end-to-end suite with stand-ins and, where they are
# installed, with the published plugins. What is not run is said, with its reason.
test: build
	bin/wcrdb setup --stack test
	go test -timeout 30m ./...
	go test -timeout 60m -count=1 -v -run 'EndToEnd' ./tests/e2e -e2e

e2e: build
	go test -timeout 60m -count=1 -v -run 'EndToEnd' ./tests/e2e -e2e $(ARGS)

bench: build
	go test -timeout 60m -count=1 -run '^$$' -bench . ./tests/e2e -e2e $(ARGS)

lint:
	@unformatted=$$(gofmt -l .); test -z "$$unformatted" || { echo "run gofmt -w on:" $$unformatted; exit 1; }
	go vet ./...
	go tool staticcheck ./...
	go run github.com/rhysd/actionlint/cmd/actionlint@v1.7.12
	go mod tidy -diff

golden:
	go test ./tests -run Golden -update

fuzz:
	go test ./config -run '^$$' -fuzz FuzzDecode -fuzztime 30s
	go test ./internal/postgres -run '^$$' -fuzz FuzzRenderHBA -fuzztime 30s
