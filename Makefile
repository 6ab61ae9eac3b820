# Everything a user or developer runs. A line of help is what follows `##` after a target.

SWIFT := swift
SWIFT_SOURCES := Package.swift Sources Tests
PYTEST := .build/venv/bin/pytest
RELEASE := .build/release/cashew

.DEFAULT_GOAL := help
.PHONY: help run test build check bench install uninstall deb format clean setup setup-run \
	lint debug-tests black-box-tests bench-still-runs fuzzers-still-run audit simulation no-foundation \
	thread-sanitizer

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: setup-run ## start Cashew in front of two redis-servers, on this machine, until Ctrl-C
	@conf/quickstart.sh

test: setup ## run every test; does its own set-up
	@$(MAKE) --no-print-directory lint debug-tests build audit black-box-tests bench-still-runs \
		fuzzers-still-run

build: setup-run ## build the program for release: .build/release/cashew
	$(SWIFT) build -c release --static-swift-stdlib --product cashew

check: test simulation no-foundation thread-sanitizer ## run every test, simulate optimized, find races

bench: setup build ## compare Cashew, nutcracker and redis alone; writes bench/RESULTS.md
	$(SWIFT) build -c release --static-swift-stdlib --product micro
	.build/venv/bin/python bench/compare.py $(BENCH)

install: ## install what `make build` made: PREFIX=/usr/local DESTDIR= NUTCRACKER_LINK=no
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' NUTCRACKER_LINK='$(NUTCRACKER_LINK)' \
		conf/packaging/install.sh $(RELEASE)

uninstall: ## remove what `make install` made, but for what was changed since
	@PREFIX='$(PREFIX)' DESTDIR='$(DESTDIR)' conf/packaging/uninstall.sh

deb: build ## build a Debian package in .build
	@conf/packaging/make-deb.sh $(RELEASE) .build

format: ## format the Swift sources in place
	$(SWIFT) format --in-place --recursive --configuration .swift-format $(SWIFT_SOURCES)

clean: ## remove everything that was built
	rm -rf .build

setup: ## install what is missing to build, run and test
	@Tests/Scripts/setup.sh

setup-run:
	@Tests/Scripts/setup.sh run

lint:
	$(SWIFT) format lint --strict --parallel --recursive --configuration .swift-format \
		$(SWIFT_SOURCES)

# Warnings are errors: Package.swift says so for every target of the program.
debug-tests:
	$(SWIFT) test

audit: build
	@Tests/codegen-audit.sh --self-test
	@Tests/codegen-audit.sh

black-box-tests: build
	python3 Tests/Scripts/make-redis-commands.py --check
	CASHEW=$(RELEASE) $(PYTEST) -p no:cacheprovider -q Tests

# No figures, only that the benchmarks have not rotted.
bench-still-runs: build
	$(SWIFT) build -c release --static-swift-stdlib --product micro
	.build/release/micro --tiny >/dev/null
	@mkdir -p .build/bench
	python3 bench/compare.py --tiny --output .build/bench/RESULTS.md >/dev/null

fuzzers-still-run:
	@Tests/Fuzz/run.sh 2 >.build/fuzz.log 2>&1 || { cat .build/fuzz.log; exit 1; }

simulation:
	@Tests/Scripts/simulation.sh

thread-sanitizer: setup
	@Tests/Scripts/thread-sanitizer.sh

no-foundation: build
	Tests/Scripts/no-foundation.sh $(RELEASE)
