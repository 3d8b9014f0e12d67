# Each target is one call of `python -m facekit`, which does the same where there is no make (docs/setup.md).
# Choose the interpreter with `make setup PYTHON=/path/to/python`; pass arguments with `make batch ARGS="-p SEED=0,1"`.

# Ends with 0 on a Python that pyproject.toml's requires-python admits, and that can make .venv.
CHECK := import ensurepip, sys, venv; v = sys.version_info[:3]; sys.exit(not (3, 11) <= v < (3, 15) or v == (3, 14, 1))
NAMES := python3 python python3.14 python3.13 python3.12 python3.11
PYTHON ?= $(or $(shell for p in $(NAMES); do $$p -c '$(CHECK)' 2>/dev/null && echo $$p && break; done),python3)
FACEKIT := .venv/bin/python -m facekit
.DEFAULT_GOAL := help
.PHONY: setup run test browser-test lab app page student slides batch bench weights docs lint clean help

setup: .venv/ready  ## make .venv with everything in requirements.txt

run: .venv/ready  ## run every notebook in the smoke profile; the last line names a page that shows the results
	@$(FACEKIT) run $(ARGS)

test: .venv/ready  ## lint, unit tests, docstring examples and the committed notebooks
	@$(FACEKIT) test $(ARGS)

browser-test: .venv/ready  ## notebooks and sliders in Chromium (downloaded if there is none)
	@$(FACEKIT) test-browser $(ARGS)

lab: .venv/ready  ## JupyterLab on localhost
	@$(FACEKIT) lab $(ARGS)

app: .venv/ready  ## the studio: a page with all generators, on localhost
	@$(FACEKIT) app $(ARGS)

page: .venv/ready  ## the studio as a folder of static files, which a browser opens without a server
	@$(FACEKIT) page $(ARGS)

student: .venv/ready  ## copies of the notebooks for students (without solutions), the instructor and nbgrader
	@$(FACEKIT) student $(ARGS)

slides: .venv/ready  ## a deck of slides for each notebook, which needs no network
	@$(FACEKIT) slides $(ARGS)

batch: .venv/ready  ## notebooks x parameters: make batch ARGS="--notebooks 02 -p DATASET=synthetic,fer2013"
	@$(FACEKIT) batch $(ARGS)

bench: .venv/ready  ## how fast this machine draws, loads and trains
	@$(FACEKIT) bench $(ARGS)

weights: .venv/ready  ## train the weights of data/weights
	@$(FACEKIT) weights $(ARGS)

docs: .venv/ready  ## build the documentation as a site of HTML pages
	@$(FACEKIT) docs $(ARGS)

lint: .venv/ready  ## rules and format (ruff), and spelling (codespell)
	@$(FACEKIT) lint

clean:  ## remove .venv and caches; data/ and runs/ stay
	rm -rf .venv .pytest_cache .ruff_cache .hypothesis facekit.egg-info docs/api && find . -name __pycache__ -type d -prune -exec rm -rf {} +

help:  ## this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/\1\t\2/p' Makefile | expand -t 10

# The stamp is newer than the files that it depends on, so a second call does nothing.
.venv/ready: requirements.txt pyproject.toml
	@"$(PYTHON)" -c '$(CHECK)' 2>/dev/null || { echo "facekit needs Python 3.11 to 3.14 (not 3.14.1) with venv" \
	"(Debian, Ubuntu: apt install python3-venv), and $(PYTHON) is $$("$(PYTHON)" -V 2>&1);" \
	"name another with make setup PYTHON=/path/to/python" >&2; exit 1; }
	@echo "setting up .venv; torch is large, so the first time takes some minutes"
	@"$(PYTHON)" -m venv .venv
	@.venv/bin/python -m pip install --disable-pip-version-check -q -r requirements.txt -e '.[dev]'
	@touch .venv/ready
