# Everything that a contributor needs. PYTHON chooses the interpreter of a new .venv.
PYTHON ?= python3
VENV ?= .venv
# Test files that run at a time; each process starts servers of its own.
JOBS ?= auto
# Further requirements, such as requirements-servers.txt, where what it builds with is there.
ALSO ?=
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PEERS_READY := $(VENV)/.peers-ready
# Peers of the benchmarks that need an environment of their own.
APART := $(patsubst benchmarks/peers/requirements/%.txt,build/peers/%/.ready,$(wildcard benchmarks/peers/requirements/*.txt))

# How many kills a campaign has to survive, and more of its options.
KILLS ?= 100
TORTURE ?=

# How long the fuzzer goes on, in libFuzzer's words.
FUZZ ?= -runs=1000000

.PHONY: demo test check fuzz bench bench-quick bench-faults bench-databases bench-story profile docs pictures torture mutants clean

$(READY): requirements-dev.txt $(ALSO) pyproject.toml src/rowferry/version.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "rowferry needs Python 3.11 or later: make PYTHON=python3.11 …")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt $(ALSO:%=-r %)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(PEERS_READY): requirements-bench.txt $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-bench.txt
	touch $@

build/peers/%/.ready: benchmarks/peers/requirements/%.txt | $(READY)
	$(BIN)/python -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $<
	touch $@

demo: $(READY)  ## 28,000 real airports into a local API, three ways
	$(BIN)/python examples/demo.py

test: $(READY)  ## all tests; a server that is missing is a skip that says so
	$(BIN)/python -m pytest --numprocesses $(JOBS) --maxprocesses 4 --dist loadfile $(TESTS)

fuzz: $(READY)  ## a million answers, guided by coverage: ten minutes; FUZZ=-max_total_time=15 for fewer
	mkdir -p build/fuzz
	cp tests/fuzz/corpus/* build/fuzz/
	cd build && $(abspath $(BIN))/python ../tests/fuzz/fuzz_answers.py -max_len=1024 -timeout=10 \
		-rss_limit_mb=1024 -dict=../tests/fuzz/http.dict -print_final_stats=1 $(FUZZ) fuzz

check: $(READY)  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

bench: $(PEERS_READY) $(APART)  ## the figures of docs/performance.md (nginx and wrk where there are)
	$(BIN)/python benchmarks/run.py $(BENCH)

bench-quick: $(PEERS_READY)  ## the main ratios, in less than three minutes
	$(BIN)/python benchmarks/run.py --quick $(BENCH)

bench-faults: $(PEERS_READY) $(APART)  ## what others and we do under faults; of docs/performance.md too
	$(BIN)/python benchmarks/faults.py $(BENCH)

profile: $(READY)  ## where the microseconds of a row go (Debian's linux-perf, Python 3.12 or later)
	$(BIN)/python benchmarks/profiling.py $(PROFILE)

bench-databases: $(PEERS_READY)  ## the figures of docs/databases-performance.md, ETLHelper beside
	$(BIN)/python benchmarks/databases.py $(BENCH)

bench-story: $(PEERS_READY)  ## the figures and pictures of docs/story.md: four programs side by side
	$(BIN)/python benchmarks/story.py $(BENCH)
	$(BIN)/python benchmarks/story_report.py

docs: $(READY)  ## tables, recipes and figures on their pages, as they are now, and the site of them all
	$(BIN)/python docs/tables.py
	cp benchmarks/intro.md docs/performance.md
	$(BIN)/python benchmarks/plots.py benchmarks/published.json docs/pictures
	$(BIN)/python benchmarks/report.py benchmarks/published.json >> docs/performance.md
	cat benchmarks/faults_intro.md >> docs/performance.md
	$(BIN)/python benchmarks/fault_report.py benchmarks/published_faults.json >> docs/performance.md
	$(BIN)/python benchmarks/profile_report.py benchmarks/published_profile.json >> docs/performance.md
ifneq ($(wildcard benchmarks/published_databases.json),)
	cp benchmarks/databases_intro.md docs/databases-performance.md
	$(BIN)/python benchmarks/database_report.py benchmarks/published_databases.json >> docs/databases-performance.md
endif
	$(BIN)/python docs/cookbook.py
	$(BIN)/python benchmarks/story_report.py
	$(BIN)/python benchmarks/readme_report.py
	$(BIN)/python docs/pages.py
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build
	@echo "look at build/site/index.html"

pictures: $(READY)  ## those of docs/pictures, from what the commands print (Chromium for the page)
	$(BIN)/python docs/pictures.py

torture: $(READY)  ## a transfer killed KILLS times, all faults on; goes on where torture.jsonl is
	PYTHONPATH=src:tests $(BIN)/python -m torture.campaign --kills $(KILLS) $(TORTURE)

mutants: $(READY)  ## mistakes planted in a copy of the sources: the torture test finds each
	PYTHONPATH=src:tests $(BIN)/python -m torture.mutants

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis build dist
	find . -name __pycache__ -prune -exec rm -rf {} +
