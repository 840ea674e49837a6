# make run     a server on http://127.0.0.1:$(PORT), from nothing but Python 3.11
# make test    the suite on SQLite; what needs PostgreSQL or Redis runs on them where they answer
# make test-all          the same with its slow tests, and every test of sockets on servers with threads too
# make test-postgresql   the suite on PostgreSQL
# make check   style and types        make fuzz    requests made from the API's description
# make scenes  10,000 random scenes for every solver
# make faults  kill -9 under load     make bench   speed                make clean   take the environment away

PORT ?= 10000
PYTHON ?= python3
VENV ?= .venv
POSTGRESQL ?= postgresql://postgres@127.0.0.1:5432/postgres
JOBS ?= 4
PYTEST ?=
UNTOUCHED = $(addprefix --ignore=tests/,engine collaboration/test_live_course.py test_cli.py test_determinism.py test_boot.py test_config.py test_floors.py test_readme.py)

export PORT
export TEST_POSTGRESQL = $(POSTGRESQL)
export FLASK_APP = wsgi

compiled test test-all test-postgresql scenes: export NUMBA_CACHE_DIR = $(CURDIR)/.numba_cache
# A run of the tests starts Python a hundred times, and should not read all of the source each time.
compiled test test-all test-postgresql scenes: export PYTHONDONTWRITEBYTECODE =

MAKEFLAGS += --jobs=2

BIN = $(VENV)/bin
RUNTIME = $(VENV)/.runtime
DEVELOPMENT = $(VENV)/.development

.PHONY: run compiled test test-all test-postgresql check fuzz scenes faults bench clean

run: $(RUNTIME)
	$(BIN)/flask db upgrade
	$(BIN)/flask seed
	exec $(BIN)/python run.py

# The solvers and instruments that the tests run compiled are compiled beforehand, once.
compiled: $(RUNTIME)
	$(BIN)/python -m app.jobs.compiling

test: compiled $(DEVELOPMENT)
	$(BIN)/pytest -n $(JOBS) --dist loadscope $(PYTEST)

test-all: compiled $(DEVELOPMENT)
	$(BIN)/pytest -n $(JOBS) --dist loadscope -m '' $(PYTEST)

# What the kind of database cannot change, and what chooses its databases itself, is not run twice.
test-postgresql: compiled $(DEVELOPMENT)
	TEST_DATABASE_URL='$(POSTGRESQL)' $(BIN)/pytest -n 2 --dist loadscope -m '' $(UNTOUCHED) $(PYTEST)

scenes: compiled $(DEVELOPMENT)
	RANDOM_SCENES=10000 $(BIN)/pytest -n 2 --timeout 0 $(PYTEST) tests/engine/physics/test_any_scene.py

check: $(DEVELOPMENT)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

fuzz: $(DEVELOPMENT)
	$(BIN)/python tests/fuzz.py

faults: $(DEVELOPMENT)
	$(BIN)/python -m tests.faults

bench: $(DEVELOPMENT)
	$(BIN)/python -m benchmarks

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .coverage htmlcov

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(RUNTIME): requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	@touch $@

$(DEVELOPMENT): $(RUNTIME) requirements-dev.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	@touch $@
