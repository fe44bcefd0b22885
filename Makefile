# What developers and CI run. `make help` lists it.

GO      ?= go
TOOLS   := $(CURDIR)/.tools
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)

# How many inputs each fuzz target gets, and how long a test package may run. Known inputs count, those of earlier runs
# too until `go clean -fuzzcache`. A time does for the first, but go test may fail at its end with "context deadline
# exceeded".
FUZZTIME     ?= 1000x
TEST_TIMEOUT ?= 15m

GOLANGCI_LINT_VERSION := v2.15.0
GOLANGCI_LINT         := $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION)

GOVULNCHECK_VERSION := v1.8.0
GOVULNCHECK         := $(TOOLS)/govulncheck-$(GOVULNCHECK_VERSION)

# All is built without cgo, once for all targets; but the race detector needs it, and with it a C compiler.
export CGO_ENABLED := 0

CC_FOUND := $(shell command -v $$($(GO) env CC) 2>/dev/null)
# It does not watch SQLite, which is C by birth and most of what watching would cost. Only a package without type
# parameters may be left out: the linker may take its copy of a generic function for everybody's.
RACE := $(if $(CC_FOUND),-race -gcflags=modernc.org/sqlite/lib=-race=false)

SUMMARY := $(TOOLS)/summary

# Tests run in their packages' directories, so a relative directory of reference files would be looked for there.
ifdef REFERENCE_DIR
override REFERENCE_DIR := $(abspath $(REFERENCE_DIR))
export REFERENCE_DIR
endif

# sdk-install and test-sdk: the official SDKs, unmodified, against the built server.
include api/sdk/sdk.mk

# The parts of test come one after the other, and what is measured runs alone.
.NOTPARALLEL:

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets.
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: run
run: ## Start the server; SERVE_FLAGS="--listen 127.0.0.1:9000" adds flags.
	$(GO) run ./cmd/understudy serve $(SERVE_FLAGS)

.PHONY: build
build: ## Build the static binary dist/understudy.
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o dist/understudy ./cmd/understudy

.PHONY: test
test: vet test-go fuzz proofs test-sdk ## Everything this project can prove: vet, unit and end-to-end tests, fuzzing, SDKs.

.PHONY: vet
vet:
	$(GO) vet ./...
	$(GO) vet -tags sdk ./api/sdk/...
	$(GO) vet -tags profile ./cmd/understudy

.PHONY: test-go
test-go: ## Unit and end-to-end tests only; TEST_FLAGS="-run Name" adds flags.
ifndef RACE
	@echo "NOTICE: no C compiler ($$($(GO) env CC)) found, so the tests run without the race detector; install gcc to have it"
endif
	@mkdir -p $(TOOLS) && rm -f $(SUMMARY)
	TEST_SUMMARY=$(SUMMARY) $(if $(RACE),CGO_ENABLED=1) $(GO) test $(RACE) -shuffle=on -timeout $(TEST_TIMEOUT) $(TEST_FLAGS) ./...

# What the tests of test-go had to show for themselves.
.PHONY: proofs
proofs:
	@if [ -f $(SUMMARY) ]; then sort -u $(SUMMARY); fi

.PHONY: fuzz
fuzz: ## Run every fuzz target for FUZZTIME, 1000 inputs unless told.
	@grep -rHo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]*' . | sort | while IFS=: read -r file target; do \
		$(GO) test -run '^$$' -fuzz "^$${target#func }\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")" || exit 1; \
	done

# Without the SDKs a row is missing. What is measured shares the machine with nothing else.
.PHONY: bench
bench: ## Judge what the server costs beside the model's time; BENCH_FLAGS="-rows 1,3" adds flags.
	@$(MAKE) --no-print-directory --keep-going $(SDK_DIR)/node/.installed $(SDK_DIR)/python-$(firstword $(SDK_PYTHON))/.installed || echo "NOTICE: not every SDK could be installed"
	$(GO) run ./cmd/bench -sdk $(SDK_DIR) $(BENCH_FLAGS)

.PHONY: profile
profile: ## Profile the server under load: dist/profile; BENCH_FLAGS adds flags.
	$(GO) run ./cmd/bench -profile dist/profile $(BENCH_FLAGS)

.PHONY: crash
crash: ## Kill the server 50 times, and 16 times on a failing disk; CRASH_FLAGS="-kills 500" changes it.
	$(GO) run ./cmd/crash -kills 50 -faults 16 $(CRASH_FLAGS)

.PHONY: soak
soak: ## Watch memory, goroutines and files for ten minutes of load; SOAK_FLAGS="-soak 3m" changes it.
	$(GO) run ./cmd/crash -soak 10m $(SOAK_FLAGS)

.PHONY: lint
lint: $(GOLANGCI_LINT) $(GOVULNCHECK) ## Check the house rules of .golangci.yml, and dependencies for known holes.
	$(GOLANGCI_LINT) run
	@said=$$($(GOVULNCHECK) ./... 2>&1) && echo "govulncheck: no known holes" || case "$$said" in \
	*"fetching vulnerabilities:"*vuln.go.dev*) echo "NOTICE: vuln.go.dev cannot be reached, so dependencies were not checked for known holes";; \
	*) echo "$$said"; exit 1;; esac
	@sleepers=$$(grep -rl --include='*_test.go' 'time\.Sleep(' . | xargs -r grep -LE '"testing/synctest"|inVirtualTime\('); \
	if [ -n "$$sleepers" ]; then echo "tests wait for events; time.Sleep is for testing/synctest only: $$sleepers"; exit 1; fi

.PHONY: fmt
fmt: $(GOLANGCI_LINT) ## Format the code with gofumpt.
	$(GOLANGCI_LINT) fmt

$(GOLANGCI_LINT):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(TOOLS)/golangci-lint $@

$(GOVULNCHECK):
	GOBIN=$(TOOLS) $(GO) install golang.org/x/vuln/cmd/govulncheck@$(GOVULNCHECK_VERSION)
	mv $(TOOLS)/govulncheck $@

.PHONY: clean
clean: ## Remove what these targets made; your data stays.
	rm -rf dist .tools .sdk
