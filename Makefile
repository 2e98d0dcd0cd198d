# The front door. Everything that is made lies in one cache folder, outside the repository.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

CACHE := $(or $(USERSERVICE_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/userservice)
CARGO_TARGET_DIR ?= $(CACHE)/target
export CARGO_TARGET_DIR

BED := e2e/bed/bed
WITH_BED := eval "$$($(BED) env)";
CRD := userservices.usersvc.dev.yaml

.PHONY: help demo clean-demo soak bench test lint unit fuzz clients integration chart e2e docs docs-check site recording servers bed-up bed-down connected-check images env crds golden proto-baseline fmt clean

help: ## what can be made
	@awk -F ':[^#]*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: images servers ## a cluster with Kafka and a database, the operator, a user service, a call and its event
	@e2e/demo.sh

clean-demo: ## removes the demo and the operator, keeps the cluster
	@$(WITH_BED) kubectl delete namespace demo --ignore-not-found --timeout=120s
	@e2e/operator.sh down

test: lint integration clients chart site docs-check e2e ## everything that has to hold before a change goes in

lint: ## formatting, clippy, licences and advisories, protobuf, shell, Go
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --locked -- -D warnings
	e2e/deny.sh
	tools=$$(e2e/bed/lint.sh); PATH=$$tools:$$PATH buf lint proto
	proto/compatible.sh
	$(SHELL_FILES) | xargs shellcheck -x
	test -z "$$(gofmt -l e2e bench/peer)" || { gofmt -d e2e bench/peer; exit 1; }
	cd e2e/client && go vet ./...

SHELL_FILES = git ls-files -co --exclude-standard | xargs awk 'FILENAME ~ /\.sh$$/ || /^\#!.*sh$$/ {print FILENAME} {nextfile}'

unit: ## every test that needs no server and no cluster, for the inner loop
	cargo test --workspace --exclude scenarios $(addprefix --exclude ,$(ON_SERVERS)) --locked

# Crates whose tests need the real servers.
ON_SERVERS := user-adapter-kafka user-adapter-mongodb mongodb-gateway

FUZZ_SECONDS ?= 30

# Go's by number, some thousands a second: one that ends by time fails now and then (golang.org/issue/75804).
fuzz: ## what reads bytes of others, guided by coverage, for FUZZ_SECONDS (30) each
	FUZZ_SECONDS=$(FUZZ_SECONDS) service/fuzz/run.sh
	cd e2e/client && go test -run FuzzUnframe -fuzz FuzzUnframe -fuzztime $$(($(FUZZ_SECONDS) * 5000))x

clients: ## clients in Go, TypeScript and Python, generated, compiled and run against the service, and grpc-health-probe
	cargo build -p user-service --locked
	e2e/clients.sh

integration: ## those, and the adapters against Kafka, the schema registry and the database on loopback, the metrics against Prometheus, and a little of fuzz
	$(BED) loopback
	$(WITH_BED) echo "database: $$TEST_DATABASE_NAME"; cargo test --workspace --exclude scenarios --locked; \
	cargo test --workspace --exclude scenarios --locked --test real_servers -- --ignored; \
	tools=$$(e2e/bed/prometheus.sh); PATH=$$tools:$$PATH OPERATOR_TEST_KAFKA=$$TEST_KAFKA \
	cargo test --workspace --exclude scenarios --locked -- --ignored real_cluster real_prometheus
	cd e2e/client && go test ./...
	$(MAKE) fuzz FUZZ_SECONDS=5

chart: bed-up ## the Helm chart, against the API server's own schemas
	e2e/chart.sh

e2e: images servers ## the scenarios, on the real cluster
	e2e/operator.sh up
	$(WITH_BED) $(NAME_DATABASE) cargo build -p kubectl-userservice -p userservice-operator --locked && RUST_BACKTRACE=0 cargo test -p scenarios --locked -- --test-threads=1 --show-output

docs-check: images servers ## every command and manifest of the documentation, on the bed; removes the demo
	cargo build --profile bed $(addprefix -p ,$(PROGRAMS)) --locked
	e2e/docs.sh

# A report has to say it.
NAME_DATABASE = echo "database: $${BACKING_DATABASE_NAME:-none of the bed}";

bed-up: ## the cluster: minutes the first time, seconds when it is up
	@$(BED) up

bed-down: ## deletes the cluster; caches stay
	@$(BED) down

connected-check: bed-up ## the branch that uses registries, where none is reachable: local images under the public names
	@e2e/bed/connected-check.sh

images: bed-up ## builds our images and loads them into the cluster
	@$(BED) images

SOAK_EVENTS ?= 1000000
SOAK_SECONDS ?= 0

soak: images servers ## the crash test until SOAK_EVENTS (a million) were acknowledged, ten minutes at rest, then the scenarios while the leader crashes every 30 s
	e2e/operator.sh up
	$(WITH_BED) $(NAME_DATABASE) cargo build -p kubectl-userservice -p userservice-operator --locked && \
	SOAK_EVENTS=$(SOAK_EVENTS) SOAK_SECONDS=$(SOAK_SECONDS) $(if $(SOAK_RATE),SOAK_RATE=$(SOAK_RATE)) cargo test -p scenarios --locked -- --test-threads=1 --nocapture no_event_is_lost
	$(WITH_BED) IDLE_SECONDS=600 cargo test -p scenarios --locked -- --nocapture at_rest_the_operator_writes_nothing
	$(WITH_BED) CRASH_LEADER_EVERY_S=30 RUST_BACKTRACE=0 cargo test -p scenarios --locked -- --test-threads=1 --show-output $(addprefix --skip ,$(COUNTS_OPERATORS))

# Scenarios that are about certain operators, how many there are or what they write, which crashes would spoil.
COUNTS_OPERATORS := apiserver:: away:: chart:: leadership:: no_event_is_lost operator:: removal:: rights:: upgrade::

PARTS ?=

bench: ## what users, events, calls and the operator cost, each beside a baseline; PARTS="plan grpc" measures those alone
	$(if $(call measures,writes outbox delay),$(BED) loopback)
	$(if $(call measures,operator),$(BED) up; BED_PROFILE=release $(BED) images)
	$(if $(call measures,operator converge change),$(BED) up; e2e/operator.sh down)
	$(if $(call measures,operator converge change),$(WITH_BED) kubectl apply --server-side --force-conflicts -f crds/$(CRD))
	$(WITH_BED) cargo build --release -p bench $(addprefix -p ,$(PROGRAMS)) --locked; \
	$(if $(call measures,grpc),bench/peer/build.sh "$(CARGO_TARGET_DIR)/release/bench-peer";) \
	$(if $(call measures,converge change),bench/kwok/build.sh "$(CARGO_TARGET_DIR)/release/bench-kwok";) \
	"$(CARGO_TARGET_DIR)/release/bench" $(PARTS)

# Whether one of these parts is measured.
measures = $(if $(PARTS),$(filter $(1),$(PARTS)),everything)

# Beside the benchmark, since cargo compiles what they share for each selection anew.
PROGRAMS := user-service userservice-operator kubectl-userservice mongodb-gateway mongodb-faults

servers: bed-up ## Kafka, a schema registry and a database in the cluster
	@$(BED) servers

env: ## what a shell needs to use the cluster: eval "$(make -s env)"
	@$(BED) env

crds: ## writes the custom resource definition and its reference anew, from the Rust types
	definition=$$(cargo run -q --locked -p userservice-operator -- crd); \
	tee crds/$(CRD) charts/userservice-operator/files/$(CRD) <<<"$$definition" >/dev/null
	reference=$$(cargo run -q --locked -p userservice-operator -- reference); cat >docs/reference.md <<<"$$reference"

docs: ## writes the reference of the service's settings anew, from its table
	page=$$(cargo run -q --locked -p docs -- settings); cat >docs/settings.md <<<"$$page"

site: ## the documentation as a site, in the cache
	@e2e/docs-site.sh

recording: ## records the demo anew, for the README
	cast=$$($(MAKE) -s demo | cargo run -q --locked -p docs -- record); cat >docs/demo.cast <<<"$$cast"
	cargo run -q --locked -p docs -- picture >docs/demo.svg

proto-baseline: ## accepts the API and the events as they are, if that breaks nobody
	proto/compatible.sh accept

golden: ## writes the expected children of the examples, the runbook's index, and what is made from the chart, anew
	UPDATE_GOLDEN=1 cargo test -p operator-core --locked --test golden
	UPDATE_GOLDEN=1 cargo test -p operator-api --locked --test rules --test runbook
	e2e/chart/generated.sh write

fmt: ## formats Rust and Go
	cargo fmt --all
	gofmt -w e2e/client bench/peer

clean: ## deletes the cluster and everything in the cache
	$(BED) clean
