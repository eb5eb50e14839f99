# make demo: the whole path, from bytes of video to a promoted model, on this machine.
# make test: the tests. make test-long: those that take half a minute or more each. make test-all: both in one run.
# make bench-data, make bench-train: what a step costs beside a plain one, into results/.
# make mutation: changes the code of some modules one place at a time; lists the changes that no test notices.
# make .venv-training/installed: what trains as an environment of its own; also .venv-orchestration, .venv-gpu-vllm.
# make lock: requirements.lock and infra/environments anew, from pyproject.toml. make gpu-vllm: one file of the latter.
# These last four make no .venv; all others do first.
.PHONY: demo test test-long test-all mutation bench-data bench-train lock gpu-vllm
SHELL := bash
PYTHON ?= python3.11

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export VIRTUAL_ENV := $(CURDIR)/.venv
export HF_HUB_OFFLINE := 1

demo: .venv/installed
	egoflow doctor
	egoflow run

# a worker for each core; a file stays with one worker, which builds its shared fixtures once; tests/conftest.py orders
# one thread each: threads of two workers on two cores wait for one another, spinning
PYTEST := OMP_NUM_THREADS=1 python -m pytest --numprocesses auto --dist loadfile --no-loadscope-reorder --durations 40
test: .venv/installed
	$(PYTEST) -m "not long"

test-long: .venv/installed
	$(PYTEST) -m long

# as CI runs them: collected once, with one tiny world and one trained chain
test-all: .venv/installed
	$(PYTEST)

mutation: .venv/installed
	OMP_NUM_THREADS=1 nice -n 19 python -m tests.mutation

# modules of tests/benchmarks that measure the data path: about ten minutes of an idle machine with two
# cores, and five more for the ten million narrations of clips
BENCH_DATA := annotations clips templates fetch graph funnel frame_memory idle
bench-data: .venv/installed
	set -e; for name in $(BENCH_DATA); do python -m tests.benchmarks.$$name; done

BENCH_TRAIN := sft qwen_sft guidance grpo qwen_grpo
bench-train: .venv/installed
	set -e; for name in $(BENCH_TRAIN); do python -m tests.benchmarks.$$name; done

# torch first and by its exact pin (a CPU build where the machine offers one): deepspeed is built against it, by the
# tools beside it. Then all else, by hashes, and the project itself. Compiled at once: a pipeline starts dozens of
# processes, and where PYTHONDONTWRITEBYTECODE is set each would compile all that it imports, for 5 s.
UV := uv==0.13.9
export UV_COMPILE_BYTECODE := 1
.venv/installed: requirements.lock pyproject.toml
	$(PYTHON) -m venv .venv
	pip install --quiet --disable-pip-version-check torch==2.13.0 $(UV) setuptools==84.2.1 wheel==0.48.0 ninja==1.13.2
	DS_BUILD_OPS=0 uv pip install --quiet --no-deps --require-hashes --no-build-isolation --requirements requirements.lock
	uv pip install --quiet --no-deps --no-build-isolation --editable .
	touch $@

# --no-deps: a file of infra/environments holds all that belongs there
.venv-%/installed: infra/environments/%.txt pyproject.toml
	$(PYTHON) -m venv .venv-$*
	.venv-$*/bin/pip install --quiet --disable-pip-version-check torch==2.13.0 setuptools==84.2.1 wheel==0.48.0 ninja==1.13.2 $(UV)
	DS_BUILD_OPS=0 VIRTUAL_ENV=$(CURDIR)/.venv-$* .venv-$*/bin/uv pip install --quiet --no-deps --no-build-isolation \
	    --requirements $< --editable .
	touch $@

# versions that still fit stay as they are; for the newest ones, remove the file first
COMPILE := uv pip compile pyproject.toml --quiet --python-version 3.11 --python-platform x86_64-manylinux_2_28 --no-annotate
ENVIRONMENTS := infra/environments
lock:
	pip install --quiet --disable-pip-version-check $(UV)
	$(COMPILE) --custom-compile-command 'make lock' --extra dev --generate-hashes --no-emit-package torch \
	    --output-file requirements.lock
	set -e; for name in orchestration training; do \
	    $(COMPILE) --custom-compile-command 'make lock' --extra $$name --constraint requirements.lock \
	        --no-emit-package torch --output-file $(ENVIRONMENTS)/$$name.txt; done
	$(MAKE) gpu-vllm

# here torch is the CUDA build that vLLM wants: without what pyproject.toml says in the place of torch's own metadata
gpu-vllm:
	pip install --quiet --disable-pip-version-check $(UV)
	$(COMPILE) --custom-compile-command 'make gpu-vllm' --no-config --extra vllm --output-file $(ENVIRONMENTS)/gpu-vllm.txt
