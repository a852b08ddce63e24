# Everything from a bare clone: each target first makes .venv and installs the project into it,
# editable, unless that was done already for this pyproject.toml.
#
#   make run [PROMPT="def "]      text from a ternary language model on the generated hardware
#   make test                     lint, types, all tests, cocotb regression
#   make gen   [CONFIG=w2a8]      Verilog and manifest in build/<configuration>/
#   make tb    [CONFIG=w2a8]      cocotb regression of one configuration
#   make grid [FILTER=mac]        every supported combination of formats and elements, resumable
#   make docs                     docs/isa.md and docs/registers.md
#   make train                    train the shipped language model anew (needs PyTorch)
#   make lint | setup | clean

CONFIG ?= w2a8
export PROMPT  # passed through the environment, so that any text survives the shell

PYTHON ?= python3
BIN    := .venv/bin
STAMP  := .venv/.installed

.PHONY: run test gen tb grid docs train lint format setup clean

run: setup
	@$(BIN)/lutra run --config $(CONFIG) $(if $(PROMPT),--prompt "$$PROMPT")

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup

gen: setup
	@$(BIN)/lutra gen $(CONFIG)

tb: setup
	$(BIN)/lutra tb $(CONFIG)

grid: setup
	@$(BIN)/lutra grid $(if $(FILTER),--filter "$(FILTER)")

docs: setup
	$(BIN)/python -m lutra.gen.doc_tables

train: .venv/.train
	$(BIN)/python -m lutra.host.llm.train

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/basedpyright --project pyproject.toml --warnings

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

setup: $(STAMP)

$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Lutra needs Python 3.11 or newer; call make with PYTHON=python3.11" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[dev,pyverilator]"
	@touch $@

.venv/.train: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[train]"
	@touch $@

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path "./.venv/*" -prune -exec rm -rf {} +
