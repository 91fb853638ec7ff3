PYTHON ?= .venv/bin/python
BIN = $(dir $(PYTHON))

.PHONY: archive-crowd archive-kill bench cover docs exactness fast lint test types

fast:
	$(PYTHON) -m pytest -m "not slow"

test:
	$(PYTHON) -m pytest

lint:
	$(BIN)ruff check .
	$(BIN)ruff format --check .
	$(BIN)lint-imports

types:
	$(PYTHON) -m mypy

cover:
	$(PYTHON) -m coverage run -m pytest -m "not slow"
	$(PYTHON) -m coverage report

docs: export NO_MKDOCS_2_WARNING = 1
docs:
	$(PYTHON) docs/make_ops.py
	$(PYTHON) docs/make_cli.py
	$(PYTHON) -m mkdocs build --strict

bench:
	$(PYTHON) benchmarks/bench.py

exactness:
	$(PYTHON) exactness/bounds.py
	$(PYTHON) exactness/check.py
	$(PYTHON) exactness/differences.py

archive-kill:
	$(PYTHON) exactness/archive_safety.py kill --times 1000

archive-crowd:
	$(PYTHON) exactness/archive_safety.py crowd --seconds 60
