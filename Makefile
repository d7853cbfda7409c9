# make install: what a run needs and the command prima, into .venv.
# make demo: the synthetic study, five folds, table and report.   make test: the fast tests.   Both install what they need.
# make corpus-demo: from articles to a published corpus and trained adapters (docs/corpus.md): synthetic ones on keratitis, or
# real ones on skin lesions in ARTICLES=FOLDER.
# make light: PRIMA and what it is compared with on small published encoders; DATA=PATH is PAD-UFES-20's folder.
# make tables: all rows of Tables 2 and 3 on the synthetic study, and where attention looks (docs/tables.md); goes on where it stopped.
# make test-rest: the slow ones and the live comparison with transformers and torch; half of it was compiling, of which an older
# part of XLA does less.   make test-nightly: published sizes and ten kills, by hand before results are published.
# make test-newest: a core of the tests and the example on Python 3.13, with the newest packages that pip finds.
# make benchmark: speed beside those.
PYTHON ?= python3
VENV := .venv
TEST_VENV := .venv-test
NEWEST_VENV := .venv-newest
# pyenv's own first: its shims in PATH are there for versions that do not answer.
NEWEST_PYTHON ?= $(firstword $(wildcard $(HOME)/.pyenv/versions/3.13.*/bin/python3.13) $(shell python3.13 -c 'import sys; print(sys.executable)' 2> /dev/null))
NEWEST_CORE := tests/losses/test_against_loops.py tests/losses/test_closed_forms.py tests/training tests/models/test_layers.py tests/models/test_lora.py
DEMO := runs/demo
CORPUS := runs/corpus-demo
TABLES := runs/tables
LIGHT := runs/light
LIGHT_WEIGHTS := dinov2-small all-MiniLM-L6-v2 SmolLM2-135M-Instruct
DATA ?= data/pad_ufes_20
CORPUS_CONFIG = $(if $(ARTICLES),demo --config.search.source=$(ARTICLES),synthetic)
CORPUS_STEP = $(VENV)/bin/prima corpus --config=configs/corpus.py:$(CORPUS_CONFIG) --folder=$(CORPUS)
# A process for each core, four at most, since each takes 2 GB; a file's tests share what they compile, so it stays with one.
PYTEST = $(TEST_VENV)/bin/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile --no-loadscope-reorder --durations=15 --durations-min=20
REST = XLA_FLAGS=--xla_cpu_use_fusion_emitters=false $(PYTEST)
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: install demo light corpus-demo tables test test-rest test-nightly test-newest lint benchmark clean

install: $(VENV)/installed

demo: $(VENV)/installed
	$(VENV)/bin/prima run --config=configs/aqua.py:demo --workdir=$(DEMO)
	@$(VENV)/bin/python -m webbrowser -t "file://$(CURDIR)/$(DEMO)/report.html" >/dev/null 2>&1 || true

light: $(VENV)/installed $(LIGHT_WEIGHTS:%=weights/%/model.safetensors)
	$(VENV)/bin/prima run --config=configs/pad_ufes_20.py:light --config.data.dir=$(DATA) --workdir=$(LIGHT)

weights/%/model.safetensors: | $(VENV)/installed
	$(VENV)/bin/prima weights $*

corpus-demo: $(VENV)/installed-corpus
	$(CORPUS_STEP) search
	$(CORPUS_STEP) retrieve
	$(CORPUS_STEP) synthesise
	$(CORPUS_STEP) check
	$(VENV)/bin/python -m scripts.scripted_review --folder=$(CORPUS)
	$(CORPUS_STEP) publish
	$(CORPUS_STEP) learn

tables: $(VENV)/installed
	$(VENV)/bin/prima run --config=configs/aqua.py:table2,demo --config.table.processes=2 --workdir=$(TABLES)
	$(VENV)/bin/prima run --config=configs/aqua.py:table3,demo --config.table.processes=2 --workdir=$(TABLES)
	$(VENV)/bin/prima grounding --config=configs/aqua.py:table3,demo --config.table.processes=2 --workdir=$(TABLES)

test: $(TEST_VENV)/installed
	$(PYTEST)

test-rest: $(TEST_VENV)/installed-torch
	$(REST) -m "(slow or torch) and not nightly"

test-nightly: $(TEST_VENV)/installed-torch
	$(REST) -m nightly
	echo "Last passed on $$(date -u +%F), commit $$(git rev-parse --short HEAD), by \`make test-nightly\`." > docs/nightly.md

test-newest:
ifeq ($(NEWEST_PYTHON),)
	@echo "NO PYTHON 3.13: the newest Python and JAX were not tried; put python3.13 into PATH, or set NEWEST_PYTHON." >&2
else
	$(NEWEST_PYTHON) -m venv $(NEWEST_VENV)
	$(NEWEST_VENV)/bin/python -m pip install --quiet --upgrade --upgrade-strategy eager --editable . pytest pytest-xdist
	@$(NEWEST_VENV)/bin/python -c 'import jax, sys; print("Python", sys.version.split()[0], "with JAX", jax.__version__)'
	$(NEWEST_VENV)/bin/python -m pytest $(NEWEST_CORE) --numprocesses=auto --maxprocesses=4 --dist=loadfile
	$(NEWEST_VENV)/bin/python -m pytest tests/test_examples.py -m slow
endif

benchmark: $(TEST_VENV)/installed-torch
	$(TEST_VENV)/bin/python -m benchmarks.speed

lint: $(TEST_VENV)/installed
	$(TEST_VENV)/bin/ruff check .
	$(TEST_VENV)/bin/ruff format --check .
	$(TEST_VENV)/bin/mypy

$(VENV)/installed: requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=python3.11, say." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(VENV)/bin/python -m pip install --quiet -r requirements.txt
	$(VENV)/bin/python -m pip install --quiet --no-deps --editable .
	touch $@

$(VENV)/installed-corpus: $(VENV)/installed requirements-corpus.txt
	$(VENV)/bin/python -m pip install --quiet -r requirements-corpus.txt
	touch $@

$(TEST_VENV)/installed: requirements.txt requirements-corpus.txt requirements-dicom.txt requirements-test.txt
	$(PYTHON) -c 'import sys; sys.exit("Python 3.11 or newer is needed; set PYTHON=python3.11, say." if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(TEST_VENV)
	$(TEST_VENV)/bin/python -m pip install --quiet -r requirements-test.txt
	touch $@

$(TEST_VENV)/installed-torch: $(TEST_VENV)/installed requirements-reference.txt
	$(TEST_VENV)/bin/python -m pip install --quiet -r requirements-reference.txt
	touch $@

clean:
	rm -rf $(VENV) $(TEST_VENV) $(NEWEST_VENV) $(DEMO) $(CORPUS)
