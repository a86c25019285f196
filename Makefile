# The only commands a newcomer needs are `make demo` and `make test`. Both do all
# the set-up: Go modules by Go itself, fonts, Swagger UI and axe by third_party/fetch.sh.

GO       ?= go
RACE     ?=
PACKAGES ?= ./...
export CGO_ENABLED = $(if $(RACE),1,0)

run       = $(GO) test -timeout 25m -json
child    := $(CURDIR)/bin/test-child
export COUNTERSIGN_TEST_CHILD = $(child)

# What asks dbtest.Rounds how often.
soaked   := TestG3|TestG5|TestS9|TestLinear|TestLastSigners|TestFlippedBytes|TestPagesNeverOverflow|TestTwoQueues|TestT8|TestT9Duplicates|TestRemindersOnce|TestG11|TestRule15|TestCounters|TestP1MutatedFiles

version := $(shell git describe --always --dirty 2>/dev/null || echo development)
ldflags := -s -w -X main.version=$(version)

.PHONY: demo test soak bench check build third-party warm clean

demo: build
	bin/countersign demo $(DEMO)

# Set DEMO="--auto --out signed.pdf" to have it sign itself.

build: third-party
	$(GO) build -trimpath -ldflags '$(ldflags)' -o bin/countersign ./cmd/countersign
	$(GO) run ./tools/notices > bin/THIRD_PARTY_NOTICES.txt

# Races, kills and matrices with small counts; what is skipped for want of
# PostgreSQL, Chromium or a PDF tool is said at the end. With RACE=1 the rooms where
# things happen at once run with the race detector; of signing its races, and all of
# it as the server is built. So run doors and what starts processes of its own, and
# so are built the children of internal/pdf. PLAIN=none has everything detected.
PLAIN    ?= cmd/countersign|internal/api/[a-z]+|internal/console|internal/evidence|internal/pdf|internal/server|internal/signing|internal/web
test: warm
	@{ $(if $(RACE),$(run) -race $$($(GO) list $(PACKAGES) | grep -vE '/($(PLAIN)|internal/pdf)$$'); \
	$(run) -race -run 'TestG3|TestLastSigners|TestRule15' ./internal/signing; \
	$(run) -race -run 'Jail|Patch|Missing|Wrap' ./internal/pdf; \
	CGO_ENABLED=0 $(run) $$($(GO) list $(PACKAGES) | grep -E '/($(PLAIN)|internal/pdf)$$'),$(run) $(PACKAGES)); } | $(GO) run ./tools/report

# The same tests with the counts that are shown: 1,000 rounds, 100 kills.
soak: warm
	COUNTERSIGN_SOAK=$${COUNTERSIGN_SOAK:-1000} $(GO) test -p 1 -timeout 6h -v -run '$(soaked)' \
		./internal/signing ./internal/server ./internal/evidence ./internal/jobs ./internal/directory ./internal/api/acrobat ./internal/pdf ./internal/webhook

# Our side and the floor beside it, in turns: a table of ratios. BENCH="-only B1,B3 -engine sqlite" does less.
bench: warm
	$(GO) run ./tools/bench $(BENCH)

check: third-party
	@test -z "$$(gofmt -l . | tee /dev/stderr)" || { echo 'gofmt: the files above'; exit 1; }
	$(GO) mod verify
	$(GO) mod tidy -diff
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	sh -n third_party/fetch.sh

third-party:
	@sh third_party/fetch.sh

# Compiles PDFium for the tests, outside the race detector.
warm: third-party
	@CGO_ENABLED=0 $(GO) build -o $(child) ./tools/warm && $(child)

clean:
	rm -rf bin
