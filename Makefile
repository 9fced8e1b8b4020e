# The commands of Estafette. Each one sets up what it needs first.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
LOCK := --universal --python-version 3.11 --generate-hashes --no-header --no-annotate

.DEFAULT_GOAL := help
.PHONY: conformance conformance-directory conformance-flows conformance-rules conformance-seals help setup demo test lint check bench bench-line bench-syntaxes bench-documents bench-tree bench-tamper bench-rules bench-kill bench-chaos bench-seal bench-archive bench-backup bench-money serve lock docker-check clean

help:  ## Show this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(READY): tests/requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "Estafette needs Python 3.11 or later; set PYTHON=/path/to/python3.11")'
	@echo "Setting up $(VENV) (once; most of it is downloads)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r tests/requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

setup: $(READY)  ## Make the environment in .venv

demo: $(READY)  ## Run the main job: five invoices, two gateways and a simulated platform
	@$(BIN)/estafette demo

test: $(READY)  ## Run the tests
	@$(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(READY)  ## Format, lint, types, import contracts, clean tree
	@$(BIN)/python -m tests.house.check --without-tests

check: $(READY)  ## Format, lint, types, import contracts, tests with coverage, clean tree
	@$(BIN)/python -m tests.house.check

bench: bench-syntaxes bench-documents bench-rules bench-line  ## Run the benchmarks

bench-syntaxes: $(READY)  ## Measure reading and writing CII against factur-x and, where it is, drafthorse
	@$(BIN)/python -m tests.bench.syntaxes

bench-documents: $(READY)  ## Measure making Factur-X against factur-x and, where it is, drafthorse
	@$(BIN)/python -m tests.bench.documents

bench-line: $(READY)  ## Measure the whole line at fixed arrival rates
	@$(BIN)/python -m tests.bench.line

bench-tree: $(READY)  ## Measure publishing and auditing a hash tree of a million leaves
	@$(BIN)/python -m tests.bench.tree

bench-tamper: $(READY)  ## Flip ten thousand bits of an archive and change its rows; the audit must find and name each
	@$(BIN)/python -m tests.bench.tamper

bench-rules: $(READY)  ## Measure the official rules against SaxonC, in one run, draw the curve, and measure a worker's start
	@$(BIN)/python -m tests.bench.rules --plot tests/bench/rules.svg
	@$(BIN)/python -m tests.bench.rules_start

bench-archive: $(READY)  ## Measure the search of the archive over a million documents
	@$(BIN)/python -m tests.bench.archive

bench-money: $(READY)  ## Plan a year of reminders for a hundred thousand invoices; ten thousand lives against a model
	@$(BIN)/python -m tests.bench.money

bench-backup: $(READY)  ## Measure a backup of ten thousand documents, and its restore with audit and questions
	@$(BIN)/python -m tests.bench.backup

bench-seal: $(READY)  ## Measure what seals cost by form, level and key, and the line with and without
	@$(BIN)/python -m tests.bench.seal

bench-kill: $(READY)  ## Kill the server a thousand times and count what is lost
	@$(BIN)/python -m tests.bench.kill --kills 1000

bench-chaos: $(READY)  ## Send ten thousand documents through a platform that does everything wrong, kill workers, count
	@$(BIN)/python -m tests.bench.chaos --documents 10000 --kills 50

conformance: $(READY) conformance-flows conformance-directory  ## Hold 200 made PDFs against veraPDF, Mustang and others (brings them by Maven; needs Java)
	@$(BIN)/python -m tests.conformance
	@$(BIN)/python -m tests.conformance.seals

conformance-seals: $(READY)  ## Hold seals of every form, level and key against DSS, xmlsec1, pdfsig and veraPDF
	@$(BIN)/python -m tests.conformance.seals

conformance-flows: $(READY)  ## Hold the served Flow Service to its published OpenAPI file, 200 examples of each operation
	@ESTAFETTE_FLOW_EXAMPLES=200 $(BIN)/python -m pytest tests/gateway/api/test_afnor_conformance.py

conformance-directory: $(READY)  ## Hold the served Directory Service to its published OpenAPI file, 200 examples of each operation
	@ESTAFETTE_DIRECTORY_EXAMPLES=200 $(BIN)/python -m pytest tests/gateway/api/test_afnor_directory_conformance.py

conformance-rules: $(READY)  ## Hold our rules to SaxonC on the corpus, on mutants and on documents aimed at each rule
	@$(BIN)/python -m tests.conformance.rules
	@$(BIN)/python -m tests.conformance.mutations
	@$(BIN)/python -m tests.conformance.coverage

serve: $(READY)  ## Run the gateway
	@$(BIN)/estafette serve

lock:  ## Renew the two lock files (needs uv)
	uv pip compile --upgrade $(LOCK) -o requirements.lock pyproject.toml
	uv pip compile --upgrade $(LOCK) --group dev -c requirements.lock -o tests/requirements.lock pyproject.toml

docker-check: $(READY)  ## Run the Dockerfile's own steps in a bare Debian root and start the gateway in it
	@$(BIN)/python -m tests.house.docker

clean:  ## Remove what setup and demo made
	rm -rf $(VENV) demo-out bench-out .pytest_cache .mypy_cache .ruff_cache .hypothesis
