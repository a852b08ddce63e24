# Everything from a bare clone: each target first makes .venv and installs the project into it,
# editable, unless that was done already for this pyproject.toml.
#
#   make run [PROMPT="def "]      text from a ternary language model on the generated hardware
#   make test                     lint, types, all tests, cocotb regression
#   make gen   [CONFIG=w2a8]      Verilog and manifest in build/<configuration>/
#   make tb    [CONFIG=w2a8]      cocotb regression of one configuration
#   make synth [CONFIG=w2a8] [BOARD=ulx3s] [SEEDS=1]   bitstream and report in build/<configuration>/<board>/
#   make program [CONFIG=w2a8] [BOARD=ulx3s] [PORT=]   load it (openFPGALoader), ask it who it is
#   make grid [FILTER=mac]        every supported combination of formats and elements, resumable
#   make formal [FILTER=tokens] [LIMIT=600]   proofs of streams, tokens and arrays, see docs/formal.md
#   make docs                     docs/isa.md and docs/registers.md
#   make train                    train the shipped language model anew (needs PyTorch)
#   make lint | setup | clean

CONFIG ?= w2a8
BOARD ?= ulx3s
SEEDS ?= 1
export PROMPT  # passed through the environment, so that any text survives the shell

PYTHON ?= python3
BIN    := .venv/bin
STAMP  := .venv/.installed

.PHONY: run test gen tb synth program grid formal docs train lint format setup clean

run: $(STAMP)
	@$(BIN)/lutra run --config $(CONFIG) $(if $(PROMPT),--prompt "$$PROMPT")

test: lint
	$(BIN)/python -m pytest -n 2 --dist loadgroup

gen: $(STAMP)
	@$(BIN)/lutra gen $(CONFIG)

tb: setup
	$(BIN)/lutra tb $(CONFIG)

synth: .venv/.synth
	@$(BIN)/lutra synth $(CONFIG) --board $(BOARD) --seeds $(SEEDS)

program: $(STAMP)
	@$(BIN)/lutra program $(CONFIG) --board $(BOARD) $(if $(PORT),--port $(PORT))

grid: setup
	@$(BIN)/lutra grid $(if $(FILTER),--filter "$(FILTER)")

formal: setup
	@$(BIN)/python -m lutra.tb.formal --filter "$(FILTER)" --limit $(or $(LIMIT),600)

docs: $(STAMP)
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

setup: .venv/.dev

# The package alone is enough to generate, simulate and run; tests and tools of developers, and each
# extra, are installed by the first target that needs them.
$(STAMP): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Lutra needs Python 3.11 or newer; call make with PYTHON=python3.11" >&2; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

.venv/.dev: EXTRA = dev,pyverilator
.venv/.synth: EXTRA = synth
.venv/.train: EXTRA = train
.venv/.dev .venv/.synth .venv/.train: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e ".[$(EXTRA)]"
	@touch $@

clean:
	rm -rf build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path "./.venv/*" -prune -exec rm -rf {} +
