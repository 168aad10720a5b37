# make install | demo | test | exhaustive | cluster-test | faults | month | fuzz | e2e | lint | docs | ui | bench | graphs
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STORE ?= $(or $(ASSETS_STORE),assets_store)
STAMP := $(VENV)/.installed
export ASSETS_STORE := $(STORE)
# setuptools warns of folders called like packages at every editable installation.
PIP := PYTHONWARNINGS="ignore:Editable installation" $(BIN)/python -m pip install --quiet
EXTRAS ?= dev

.PHONY: install demo test exhaustive cluster-test faults month fuzz e2e lint docs ui bench graphs clean-venv

install: $(STAMP)

# torch first and by itself: with it there, nothing else pulls another build of it in.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0
	$(PIP) --constraint constraints.txt --editable ".[$(EXTRAS)]"
	touch $(STAMP)

demo: install
	$(BIN)/dance demo

# Four processes with a thread each, also on two cores: half of the time a test waits for a process to
# start or a database.
test: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m "not e2e and not cluster and not exhaustive" \
	  --numprocesses 4 --dist loadgroup $(PYTEST_ARGS)

# Cases that a quicker one stands for in `make test`: exports of every kind of network, and the like.
exhaustive: install
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m exhaustive --numprocesses 2 --dist loadgroup $(PYTEST_ARGS)

# The whole graph with PostgreSQL, a bucket and two nodes of Ray that lose workers, on this machine:
# minutes. PYTEST_ARGS="-k cluster"; CLUSTER_CLIPS=8 for a look at fewer clips.
cluster-test: install
	$(PIP) --constraint constraints.txt --editable ".[dev,cluster]"
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m cluster --numprocesses 2 --dist loadgroup \
	  --durations 8 $(PYTEST_ARGS)

# Every fault twenty times at random moments; FAULTS_ARGS="--times 1" for a look. Takes hours.
faults: install
	PYTHONPATH=tests/support $(BIN)/python tests/faults/suite.py $(FAULTS_ARGS)

# A store left to its daemon for thirty short days: about a quarter of an hour.
month: install
	PYTHONPATH=tests/support $(BIN)/python tests/faults/month.py $(MONTH_ARGS)

# Every reader of files from outside on 10,000 changed files: hours. FUZZ_ARGS="--only poses".
fuzz: install
	OMP_NUM_THREADS=1 $(BIN)/python tests/fuzz/long_run.py $(FUZZ_ARGS)

# Servers and a headless browser (Chromium with its driver).
e2e: install
	$(PIP) --constraint constraints.txt --editable ".[dev,e2e]"
	$(BIN)/python -m pytest -m e2e $(PYTEST_ARGS)

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The website in site/. Once mkdocs is installed it is built without a network.
docs: install
	$(BIN)/python -c "import material, mmdr" 2> /dev/null || \
	  $(PIP) --constraint constraints.txt --editable ".[dev,docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# Dagster's web UI and daemon on 3000, MLflow on 5000 (or UI_ARGS="--dagster-port N"); loopback only.
ui: install
	$(BIN)/dance ui $(UI_ARGS)

bench: install
	$(BIN)/dance bench $(BENCH_ARGS)

# The ONNX graphs of the package, again: after a change of the code or configuration of a network.
graphs: install
	$(BIN)/python -m dance_models graphs --out dance_models/export/graph_files

clean-venv:
	rm -rf $(VENV)
