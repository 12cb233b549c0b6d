# Everything a developer or CI does. VENV names the virtual environment; it is made where it is missing. JOBS is how many
# processes run tests, each a file at a time; in the order of their folders, so that the long files come first.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN = $(VENV)/bin
PIP_INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test test-fast lint format bench bench-judge bench-planted bench-reduce bench-generate bench-sequences clean

demo: $(VENV)/.installed-demo
	$(BIN)/tautomer check examples/minilm.py --via torch.onnx --via torch.onnx-legacy --report demo-report.html

test: lint
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder --require-adapters

test-fast: $(VENV)/.installed-test
	$(BIN)/python -m pytest -m "not slow"

lint: $(VENV)/.installed-test
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# Some benchmarks go over a folder of defect modules: DEFECTS=FOLDER runs these, too.
OVER_DEFECTS = benchmarks/defects.py benchmarks/reduced_defects.py benchmarks/workarounds.py

bench: $(VENV)/.installed-test
	@for script in $(filter-out $(OVER_DEFECTS),$(wildcard benchmarks/*.py)); do $(BIN)/python "$$script" || exit 1; done
	@for script in $(if $(DEFECTS),$(OVER_DEFECTS)); do $(BIN)/python "$$script" "$(DEFECTS)" || exit 1; done

# The judge against fixed tolerances, over real architectures: hours on a small machine; it goes on where it was stopped.
# QUICK=--quick is the smoke test.
bench-judge: $(VENV)/.installed-test
	$(PIP_INSTALL) --no-deps -r benchmarks/judge/requirements.txt
	$(BIN)/python benchmarks/judge/run.py $(QUICK)
	$(BIN)/python benchmarks/judge/cost.py

# Faults planted in real architectures, found and reduced: one to two hours. QUICK=--quick is the smoke test.
bench-planted: $(VENV)/.installed-test
	$(PIP_INSTALL) --no-deps -r benchmarks/judge/requirements.txt
	$(BIN)/python benchmarks/planted/run.py $(QUICK)

# Reduction side by side with Polygraphy, which gets an environment of its own: it must not change what the others see.
bench-reduce: $(VENV)/.installed-test
	$(PYTHON) -m venv $(VENV)/polygraphy
	$(VENV)/polygraphy/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
		onnx onnxruntime numpy -r benchmarks/reduce/requirements.txt
	$(BIN)/python benchmarks/reduce/run.py --polygraphy $(VENV)/polygraphy/bin/polygraphy

# Generated models side by side with NNSmith, which gets an environment of its own.
bench-generate: $(VENV)/.installed-test
	$(BIN)/python benchmarks/generate/run.py --environment $(VENV)/nnsmith

# Exact sequence analysis against brute force and the published procedure, and its cost: half a minute.
bench-sequences: $(VENV)/.installed-test
	$(BIN)/python benchmarks/sequences.py

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch by its exact version and by itself: a resolver that chooses torch among other requirements may settle for a build
# with gigabytes of accelerator libraries. The build backend is installed, not fetched by pip's build isolation, because
# constraints do not reach into that.
$(VENV)/.torch: constraints.txt | $(BIN)/python
	$(PIP_INSTALL) "$$(grep '^torch==' constraints.txt)"
	$(PIP_INSTALL) hatchling editables
	@touch $@

$(VENV)/.installed-demo: pyproject.toml $(VENV)/.torch
	$(PIP_INSTALL) --no-build-isolation -e '.[torch,onnxruntime,demo]'
	@touch $@

$(VENV)/.installed-test: pyproject.toml $(VENV)/.torch
	$(PIP_INSTALL) --no-build-isolation -e '.[torch,onnxruntime,openvino,tensorflow,litert,onnx-tools,demo,dev]'
	@touch $@ $(VENV)/.installed-demo
