# make run serves on this machine, make test tests; both do all set-up themselves.

SHELL := /bin/bash
GO ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
FUZZTIME ?= 10s
# How many networks of `make lab` live at once
LAB_PARALLEL ?= 3
# Of the laboratory, what `make test` runs: fast skips where it can't be, required fails there, none runs nothing
LAB ?= fast
# Further flags of `parley up`: make run ARGS="--https :9443"
ARGS ?=
# Flags of bin/bench: -quick, -run NAMES, -shards 1,2, -markdown, -json, -profile FILE; bin/bench -help lists them
BENCH ?=

.PHONY: run build test race check fuzz soak lab matrix setup clean

## run: build everything and serve on this machine
run: build
	bin/parley up --data data $(ARGS)

## build: the binary, bin/parley
build: modules
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags "-X main.build=$(VERSION)" -o bin/parley ./cmd/parley

## test: all tests with the race detector, what participants weigh without it, then another's client against the
## binary, then meetings in browsers (see scripts/browsers.sh), and joins through nine kinds of network (LAB=none:
## not); skips are printed, those in tests/required fail; what fails on real clocks has a second chance, loudly (tests/realtime)
test: setup build bin/testlog
	@export PARLEY_BINARY=$(CURDIR)/bin/parley PARLEY_LAB=$(LAB); \
	failed() { echo "{\"Action\":\"exit\",\"Package\":\"$$1\"}"; }; \
	{ $(GO) test -race -timeout 9m -json ./... || failed "go test"; \
	  $(GO) test -timeout 2m -json -count 1 -run IsLight ./bench/load || failed bench/load; \
	  $(GO) -C lab/interop test -timeout 5m -json ./... || failed lab/interop; \
	  scripts/browsers.sh || failed scripts/browsers.sh; } \
	| bin/testlog -required tests/required -again tests/realtime

## race: the tests again and again, where order and luck hide faults
race: setup
	$(GO) test -race -count 3 -shuffle on -timeout 25m ./...

## check: format, vet, staticcheck, the rules of the house
check: modules
	@out="$$(gofmt -l $$(git ls-files '*.go'))"; if [ -n "$$out" ]; then echo "gofmt needed:"; echo "$$out"; exit 1; fi
	$(GO) vet ./...
	$(GO) -C lab/interop vet ./...
	$(GO) tool -modfile=tools/go.mod staticcheck ./...
	$(GO) test -count 1 .
	$(GO) -C tools test ./testlog

## lab: joins through every kind of network, on this kernel: namespaces, nftables, squid, haproxy and a bad wire (root).
## Writes the connection matrix, tests/out/lab.md. One alone: go test ./lab/netns -run 'Scenario/07'
lab: setup build # what else runs here must not make times longer: hence nice
	@set -o pipefail; PARLEY_LAB=all PARLEY_BINARY=$(CURDIR)/bin/parley nice -n -10 \
	$(GO) test -count 1 -parallel $(LAB_PARALLEL) -timeout 20m -v ./lab/netns | grep --line-buffered -v "^=== "; \
	status=$$?; echo; cat tests/out/lab.md; exit $$status

## matrix: puts the matrix of the last make lab into README.md
matrix:
	scripts/matrix.sh tests/out/lab.md README.md

## soak: 200 people come and go, then ten minutes of media, in the laboratory and then on real sockets
## (there SOAK=1m for less): memory and goroutines flat; and browsers beside a loaded router: no picture freezes
soak: modules
	PARLEY_SOAK=1 $(GO) test -count 1 -v -timeout 60m -run 'TestJoinsAndLeavesLeaveNothingBehind|TestMinutesOfMediaStayFlat|TestOneRouterServesTwoHundredParticipants' ./lab/scenario
	PARLEY_SOAK=1 $(GO) test -count 1 -timeout 60m -run TestAnythingMayHappen ./core/meeting
	PARLEY_SOAK=1 $(GO) test -count 1 -timeout 60m -run TestEveryPacketArrives ./mmr
	$(GO) test -tags soak -count 1 -v -run TestSoak -timeout 60m ./node
	$(if $(NODE),$(MAKE) --no-print-directory soak-browsers,@echo "!!! no Node here: the browsers are left out")

## fuzz: each fuzz target for FUZZTIME
fuzz: modules
	scripts/fuzz.sh $(FUZZTIME)

## bench: what a forwarded packet costs, beside what it costs at least, with one shard and with two: half an hour, and how
## much is left is on stderr; the table is kept in tests/out/bench.md and .json, each row once it is there; BENCH="-quick" takes a minute and a half
bench: build
	$(GO) build -trimpath -o bin/bench ./bench
	$(GO) -C lab/interop test -c -o ../../bin/strangers .
	@mkdir -p tests/out
	bin/bench -save tests/out/bench $(BENCH)

## setup: Go modules, and the Debian packages the tests use
setup: modules
	scripts/setup.sh

modules:
	@$(GO) mod download
.PHONY: modules

bin/testlog: $(wildcard tools/testlog/*.go)
	$(GO) -C tools build -o ../bin/testlog ./testlog

## clean: remove what was built; data stays
clean:
	rm -rf bin tests/out ui/dist/app

# The web client. Without Node the Go part builds and tests all the same; the binary then says that it has none.
NODE := $(shell command -v node)
UI_FILES := $(shell find ui/src ui/public ui/index.html ui/vite.config.ts -type f ! -name '*.test.*' 2>/dev/null)

.PHONY: ui ui-check ui-e2e ui-test-all soak-browsers dev screenshots

ifdef NODE
## ui: the web client, into ui/dist/app, which the binary embeds
ui: ui/dist/app/index.html
build: ui

ui/dist/app/index.html: $(UI_FILES) ui/node_modules/.package-lock.json
	npm --prefix ui run --silent build

# install and not ci: ci refuses a lock file without the packages of other platforms, which are optional and
# which not every registry has. Versions and checksums come from the lock file either way.
ui/node_modules/.package-lock.json: ui/package-lock.json
	PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD=1 PUPPETEER_SKIP_DOWNLOAD=1 npm --prefix ui install --no-save --loglevel=error
	@touch $@

## ui-check: types, format, messages and unit tests of the web client
ui-check: ui/node_modules/.package-lock.json
	npm --prefix ui run --silent check
	npm --prefix ui run --silent test
check: ui-check

## ui-e2e: meetings in Chromium and Firefox, as make test has them
ui-e2e: setup build bin/testlog
	@set -o pipefail; scripts/browsers.sh | bin/testlog

## ui-test-all: the long ones too: bad networks, crowds, and every screen in each language
ui-test-all: setup build bin/testlog
	$(GO) build -o bin/ ./lab/testsite ./lab/crowd
	@set -o pipefail; BROWSERS=all scripts/browsers.sh | bin/testlog
	npm --prefix ui run --silent screens

## soak-browsers: Chromium and Firefox see each other for ten minutes (SOAK=1m for less) under load
soak-browsers: setup build
	cd ui && SOAK=$(or $(SOAK),10m) node_modules/.bin/playwright test -c playwright.soak.config.ts

## dev: the web client with hot reload, beside a `make run`
dev: ui/node_modules/.package-lock.json
	npm --prefix ui run dev

## screenshots: every screen in each language, light and dark, phone and desktop, into tests/out/screens
screenshots: ui
	npm --prefix ui run --silent screens
else
ui ui-check ui-e2e:
	@echo "!!! no Node here: the web client is left out"
endif
