# Everything is built inside .venv and nothing outside this folder is touched; `make` alone lists the targets.

PORT ?= 8501
OLDEST = 3.11
# The first of these that is new enough; `make PYTHON=/path/to/python app` names another.
PYTHON ?= $(shell for name in python3 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$name"; break; }; done)

# Compiled modules are kept: the tests start hundreds of processes, each of which would compile them anew.
unexport PYTHONDONTWRITEBYTECODE

VENV_PYTHON = .venv/bin/python
RUNTIME = .venv/.runtime-installed
TOOLS = .venv/.tools-installed

# A .venv that was moved here, lost its Python or was never finished is rebuilt, whatever its stamps say.
SOUND := $(shell grep -qF "$(CURDIR)/.venv" .venv/bin/activate 2>/dev/null \
	&& $(VENV_PYTHON) -c 'import pip, sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo yes)
REBUILD = $(if $(SOUND),,always)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help app test test-fast check bench setup lock audit always

help:
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## (.*)/make \1	\2/'

app: $(RUNTIME) ## set up what is missing, then serve the dashboard on port 8501 (PORT=... for another)
	@echo "Serving Silhouette on http://localhost:$(PORT) (Ctrl-C stops it)"
	@exec $(VENV_PYTHON) -m streamlit run app.py --server.port $(PORT) --server.headless true

test: $(TOOLS) ## set up what is missing, then run every test (ARGS=... for pytest)
	@$(VENV_PYTHON) -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

test-fast: $(TOOLS) ## the two-minute part: no browser, no process trees, no training
	@$(VENV_PYTHON) -m pytest -q -n 2 --dist loadfile -m "not (browser or process or training or release or corpus or network_zoo or slow)" $(ARGS)

check: $(TOOLS) ## format, lint, types, tests
	@$(VENV_PYTHON) -m ruff format --check .
	@$(VENV_PYTHON) -m ruff check .
	@$(VENV_PYTHON) -m mypy
	@$(VENV_PYTHON) -m pytest -q -n 3 --dist loadfile --no-loadscope-reorder $(ARGS)

bench: $(TOOLS) ## the benchmarks, as a table (ARGS=... for one of them)
	@$(VENV_PYTHON) -m benchmarks $(ARGS)

setup: $(TOOLS) ## only set up what is missing, tests and checks included

lock: $(TOOLS) ## write requirements*.lock anew from requirements*.txt (ARGS=--upgrade for newer versions of the rest)
	@.ci/lock $(ARGS)

audit: $(TOOLS) ## report known vulnerabilities of the locked packages
	@$(VENV_PYTHON) .ci/audit.py

# A sentence instead of a failing install where no Python is new enough.
define build_venv
if [ -z "$(SOUND)" ]; then \
	python="$(or $(PYTHON),python3)"; \
	"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Silhouette needs Python $(OLDEST) or newer; $$python is $$("$$python" -V 2>/dev/null || echo missing)." \
			"Install one, or name it: make PYTHON=/path/to/python $(MAKECMDGOALS)" >&2; exit 1; }; \
	echo "Setting up .venv; the first time takes a few minutes."; \
	rm -rf .venv && "$$python" -m venv .venv; \
fi
endef

# The locks name every package with its hashes, so pip looks for no others. One package comes as source: it is built with
# the locked setuptools, which therefore comes first. PyTorch's CPU build is taken where the machine has a source for it;
# otherwise PyPI's build for Linux asks for NVIDIA's libraries, as `pip check` tells.
PIP_INSTALL = $(VENV_PYTHON) -m pip install --disable-pip-version-check --require-hashes --no-deps --no-build-isolation
PIP_CHECK = $(VENV_PYTHON) -m pip check --disable-pip-version-check
define install_locked
@$(build_venv)
@rm -f $(RUNTIME) $(TOOLS)
@awk '/^setuptools==/,/[^\\]$$/' requirements.lock > .venv/setuptools.lock
@$(PIP_INSTALL) --requirement .venv/setuptools.lock
@$(PIP_INSTALL) --quiet --requirement requirements-cpu.lock 2> /dev/null || true
@$(PIP_INSTALL) $(1)
@if $(PIP_CHECK) | grep -q '^torch '; then $(PIP_INSTALL) --requirement requirements-cuda.lock; fi
@$(PIP_CHECK)
endef

# A stamp is removed before pip starts and written after it has ended well, so an interrupted install leaves none.
$(RUNTIME): requirements.lock requirements-cpu.lock requirements-cuda.lock $(REBUILD)
	$(call install_locked,--requirement requirements.lock)
	@touch $(RUNTIME)

$(TOOLS): requirements.lock requirements-cpu.lock requirements-cuda.lock requirements-dev.lock $(REBUILD)
	$(call install_locked,--requirement requirements.lock --requirement requirements-dev.lock)
	@touch $(RUNTIME) $(TOOLS)
