# sdk-install puts the pinned SDKs into .sdk, and does nothing when they are there; test-sdk runs the suites of api/sdk
# with them. It needs python3 with pip, and npm; the node that the newest SDK wants is installed with it.

SDK_DIR    := $(CURDIR)/.sdk
SDK_PYTHON := 3.54.0 1.109.1 1.20.0
PYTHON     ?= python3

.PHONY: sdk-install
sdk-install: $(SDK_PYTHON:%=$(SDK_DIR)/python-%/.installed) $(SDK_DIR)/node/.installed $(SDK_DIR)/.openai-go $(SDK_DIR)/pytest/.installed $(SDK_DIR)/vitest/.installed ## Install the SDKs that test-sdk uses into .sdk.

$(SDK_DIR)/python-%/.installed: api/sdk/python/requirements-%.txt
	rm -rf $(@D)
	$(PYTHON) -m venv --without-pip $(@D)
	$(PYTHON) -m pip --disable-pip-version-check --python $(@D)/bin/python install --quiet --only-binary :all: -r $<
	touch $@

$(SDK_DIR)/node/.installed: api/sdk/node/package.json api/sdk/node/package-lock.json
	rm -rf $(@D)
	mkdir -p $(@D)
	cp $^ $(@D)
	cd $(@D) && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

# What the examples of docs/examples want.
$(SDK_DIR)/pytest/.installed: docs/examples/pytest/requirements.txt
	rm -rf $(@D)
	$(PYTHON) -m venv --without-pip $(@D)
	$(PYTHON) -m pip --disable-pip-version-check --python $(@D)/bin/python install --quiet --only-binary :all: -r $<
	touch $@

$(SDK_DIR)/vitest/.installed: docs/examples/vitest/package.json
	rm -rf $(@D)
	mkdir -p $(@D)
	cp $< $(@D)
	cd $(@D) && npm install --no-package-lock --ignore-scripts --no-audit --no-fund --loglevel=error
	touch $@

# The compiler works a minute on openai-go, even without optimisation. The flags are those that sdk_test.go has.
$(SDK_DIR)/.openai-go: go.mod
	mkdir -p $(@D)
	$(GO) build -gcflags='github.com/openai/openai-go/v3/...=-N -l' github.com/openai/openai-go/v3
	touch $@

# What cannot be installed is named by the test: a failure when CI is set, else a skip.
.PHONY: test-sdk
test-sdk: ## Run the official SDKs, unmodified, against the built server; installs them first.
	@$(MAKE) --no-print-directory --keep-going sdk-install || echo "NOTICE: not every SDK could be installed"
	@mkdir -p $(SDK_DIR)
	@status=0; \
	SDK_DIR=$(SDK_DIR) $(GO) test -tags sdk -count=1 -timeout 9m -v -run '^Test(SDK|Replay|Examples)$$' ./api/sdk >$(SDK_DIR)/test.log 2>&1 || status=$$?; \
	if [ $$status = 0 ]; then grep -E '^(suite|replay|example) ' $(SDK_DIR)/test.log; else grep -v '^sdk: ' $(SDK_DIR)/test.log; fi; \
	grep '^sdk: ' $(SDK_DIR)/test.log; \
	exit $$status
