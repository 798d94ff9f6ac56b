# What can be done here; `make help` lists it. Each target is a line or two.
CARGO ?= cargo
RUBY_SCRIPTS = crates/gorgon-ruby/ruby integration/rails
SHELL_SCRIPTS = scripts/* .ci/run integration/suites/get integration/suites/fetch.sh integration/differential/fetch
SUITES ?=
BROKERS ?=
RAILS ?=
FUZZ_SECONDS ?= 30
FUZZ_TARGETS ?=
PREFIX ?= /usr/local
SEED ?= 1
PARTS ?=

.PHONY: rails brokers differential fuzz help demo setup build unit ruby integration test suites lint audit bench soak release install install-listener clean
.DEFAULT_GOAL := help

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install what build, tests and demo need (Debian, Ubuntu)
	scripts/setup

demo: setup ## a real suite with --local, then over RabbitMQ with two listeners
	scripts/demo

build: ## all binaries, for development
	$(CARGO) build --workspace

unit: build ## tests of the crates
	$(CARGO) test --workspace --exclude integration -q

ruby: ## tests of the Ruby scripts
	scripts/ruby-tests

integration: build ## real binaries, brokers, rsync and Ruby, the four quickest suites
	$(CARGO) test -p integration

test: setup unit ruby integration ## everything, under 20 minutes on 2 cores

brokers: setup build ## contract suite and main job against RabbitMQ 3.10, 4.0 and 4.3 (BROKERS="trixie sid" for some)
	scripts/brokers $(BROKERS)

rails: setup build ## a Rails application beside Rails' own command, in a tree of Debian (RAILS="bookworm trixie")
	scripts/rails $(RAILS)

suites: setup release ## every real suite against its truth (SUITES="hashie rss" for some)
	$(CARGO) run -q --release -p integration --bin suites -- $(SUITES)

fuzz: ## optional, needs nightly and cargo-fuzz: each reader of foreign bytes, FUZZ_SECONDS each (FUZZ_TARGETS="config glob" for some)
	scripts/fuzz $(FUZZ_SECONDS) $(FUZZ_TARGETS)

differential: setup ## the same input plainly and by us, test by test: RSpec's scenarios, fixtures, suites (PARTS="here newer between frameworks suites")
	scripts/differential $(PARTS)

lint: setup ## fmt, clippy, rustdoc, ruby -wc, sh -n; warnings are errors
	$(CARGO) fmt --all --check
	$(CARGO) clippy -q --workspace --all-targets -- -D warnings
	scripts/lint $(RUBY_SCRIPTS) -- $(SHELL_SCRIPTS)

audit: ## known faults in the crates, their licenses; the unit (needs cargo-deny, systemd-analyze)
	scripts/audit

bench: setup release ## figures against their budgets: rspec, parallel_rspec, RabbitMQ, memory
	scripts/bench

soak: setup release ## 100,000 simulated jobs; hundreds of real ones, some killed; one in a storm of kills; 500 changes under --warm: minutes (SEED=644707 for other histories)
	$(CARGO) run -q --release -p integration --bin soak -- seeds --seed $(SEED)
	$(CARGO) run -q --release -p integration --bin soak -- jobs
	$(CARGO) run -q --release -p integration --bin soak -- storm
	GORGON_WARM_CHANGES=500 GORGON_SEED=$(SEED) $(CARGO) test -q --release -p integration --test it -- warm::random

release: ## optimised binaries in target/release
	$(CARGO) build -q --release --workspace

install: release ## the four binaries into PREFIX/bin
	install -D -t $(DESTDIR)$(PREFIX)/bin $(addprefix target/release/gorgon-,originator listener worker-manager worker)

install-listener: install ## the listener's systemd unit and configuration
	scripts/install-listener "$(DESTDIR)"

clean: ## what was built
	$(CARGO) clean
