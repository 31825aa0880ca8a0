# All that a fresh machine needs is a Python 3.10 or newer, make does the rest.
PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
PORT ?= 12111
STORY ?= pay
N ?= 200

.PHONY: demo test simulator lint versions faults mutations fuzz bench doc \
	clean

# A shell would die of Ctrl-C too, of which make would complain
demo: $(VENV)/installed
	@exec env ONCE=$(ONCE) \
		PORT=$(if $(filter file,$(origin PORT)),,$(PORT)) \
		$(BIN)/python tools/demo.py $(STORY)

test: $(VENV)/installed
	@sh tools/chromium.sh
	@$(BIN)/python tools/run_tests.py $(if $(TIMES),--times) \
		$(foreach k,$(K),-k $(k)) $(TESTS)

simulator: $(VENV)/installed
	@$(BIN)/python -m tests.simulator --port $(PORT)

lint: $(VENV)/installed
	@$(BIN)/flake8 --exclude .venv,.cache,build .
	@$(BIN)/isort --check --diff --quiet .
	@$(BIN)/ruff check --quiet .

# The tests on SQLite with each Python that is declared and installed
versions:
	@sh tools/versions.sh $(TESTS)

faults: $(VENV)/installed
	@$(BIN)/python tools/faults.py $(N)
	@$(BIN)/python tools/faults.py --ledger $$(( $(or $(N),200) / 20 ))

mutations: $(VENV)/installed
	@$(BIN)/python tools/mutations.py

fuzz: $(VENV)/installed
	@$(BIN)/python tools/fuzz.py $(N)

bench: $(VENV)/installed
	@SCALE=$(SCALE) $(BIN)/python tools/bench.py

doc: $(VENV)/installed
	@$(BIN)/pip install -q sphinx
	@$(BIN)/sphinx-build -q -W -b html doc .cache/doc
	@echo "See .cache/doc/index.html"

$(VENV)/installed: setup.py pyproject.toml tools/install.sh
	@PYTHON=$(PYTHON) sh tools/install.sh $(VENV)
	@touch $@

clean:
	rm -rf $(VENV) .cache build *.egg-info
