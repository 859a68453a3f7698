# One way to do each thing. Every target sets up what it needs in .venv; only Python >= 3.11 and make are required.
SHELL := /bin/bash
PYTHON ?= python3
PORT ?= 3000
BIN := .venv/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint requirements.lock

.PHONY: run test soak check train bench bento lock clean

run: .venv/base
	$(BIN)/thinkworth serve --port $(PORT)

test: .venv/dev
	$(MAKE) .venv/litellm/ready || echo 'LiteLLM proxy not installed: its test skips'
	$(MAKE) .venv/portkey/ready || echo 'Portkey gateway not installed: its test skips'
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --dist loadfile --no-loadscope-reorder $(ARGS)  # a worker a core: threads would wait for each other

# The same tests of the record and more of them: 20 kills, 30 seconds without PostgreSQL, 1,000,000 decisions, megabytes and thousands of odd requests;
# figures go to benchmarks/results.
soak: .venv/dev
	SOAK=full OMP_NUM_THREADS=1 $(BIN)/python -m pytest tests/soak $(addprefix tests/serving/test_,nasty.py messages_made_up.py openapi.py) $(ARGS)

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

train: .venv/dev
	$(BIN)/thinkworth train data/sample/attempts.jsonl --out models/tutorial

# Those that need the optional data folder, torch or Chromium run where these are.
TRAIN_LOGS := $(addprefix ../shared/data/,$(addsuffix .parquet,zero_shot_cot tatqa thoughtsource qwen3_simpleqa_brumo humaneval_budget lrm_token_economy))
BUDGET_FLAG := --accept-budget-flag 'reasoning_tokens derived as min(on thinking, limit)'
LEAVE_OUT := --leave-out-task brumo_2025
SHARED := --leave-out-task date_understanding --leave-out-task tracking_shuffled_objects_three_objects

bench: .venv/dev
	$(BIN)/python benchmarks/label_scale.py
	$(BIN)/python benchmarks/import_scale.py
	$(BIN)/python benchmarks/feature_cost.py
	$(BIN)/python benchmarks/service.py
	$(BIN)/python benchmarks/shadow.py
	$(BIN)/python benchmarks/hot_swap.py
	$(BIN)/python benchmarks/access.py
	$(BIN)/python benchmarks/interval_coverage.py
	$(BIN)/python benchmarks/recording.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/observing.py
	$(BIN)/python benchmarks/audit_recovery.py
	if [ -x .venv/litellm/bin/litellm ]; then $(BIN)/python benchmarks/litellm_hook.py; fi
	if [ -x /usr/bin/chromium ]; then $(BIN)/python benchmarks/audit_page.py; fi
	if [ -d ../shared/data ]; then $(BIN)/thinkworth evaluate models/default ../shared/data/bbh.parquet --json benchmarks/results/unseen.json; fi
	if [ -d ../shared/data ]; then $(BIN)/thinkworth evaluate models/default ../shared/data/bbh.parquet $(SHARED) --json benchmarks/results/unseen_without_shared.json; fi
	if [ -d ../shared/data ]; then $(BIN)/python benchmarks/cross_validation.py $(TRAIN_LOGS) $(LEAVE_OUT) $(BUDGET_FLAG) --without source --keep data/cache/without_source; fi
	if [ -d ../shared/data ]; then $(BIN)/python benchmarks/cross_validation.py $(TRAIN_LOGS) ../shared/data/bbh.parquet $(BUDGET_FLAG) --without prompts; fi
	if [ -d ../shared/data ]; then $(BIN)/python benchmarks/cross_validation.py $(TRAIN_LOGS) $(LEAVE_OUT) $(BUDGET_FLAG) --without tasks; fi
	if [ -d ../shared/data ]; then $(BIN)/python benchmarks/learning_curve.py models/default ../shared/data/bbh.parquet; fi
	if [ -d ../shared/data ]; then $(BIN)/python benchmarks/noise_ceiling.py $(addprefix ../shared/data/,qwen3_simpleqa_brumo.parquet humaneval_budget.parquet); fi
	$(BIN)/python benchmarks/cold_start.py
	if [ -d ../shared/data ]; then $(BIN)/python benchmarks/one_arm.py $(addprefix ../shared/data/,bbh.parquet zero_shot_cot.parquet); fi
	if [ -d ../shared/data ]; then $(BIN)/python benchmarks/noise.py $(addprefix ../shared/data/,$(addsuffix .parquet,qwen3_simpleqa_brumo humaneval_budget zero_shot_cot bbh)); fi
	if [ -d ../shared/data ]; then $(PIP) --editable '.[bench]' && $(BIN)/python benchmarks/peers.py models/default $(TRAIN_LOGS) ../shared/data/bbh.parquet $(LEAVE_OUT); fi
	if [ -d ../shared/data ]; then for log in thoughtsource:OpenBioLink tatqa:TIGER zero_shot_cot:kojima humaneval_budget:mahmud; do \
		$(BIN)/python benchmarks/peers.py data/cache/without_source/$${log#*:}*/bundle ../shared/data/$${log%%:*}.parquet \
			--out benchmarks/results/peers_without_$${log%%:*}.json; done; fi
	if [ -d ../shared/data ]; then $(BIN)/python benchmarks/peers.py data/cache/without_source/Amir*/bundle ../shared/data/qwen3_simpleqa_brumo.parquet \
		$(LEAVE_OUT) --out benchmarks/results/peers_without_qwen3_simpleqa_brumo.json; fi
	if $(BIN)/python -c 'import torch, sentence_transformers' 2> /dev/null; then $(BIN)/python benchmarks/encoder_flips.py; fi

# Resolve every dependency anew into the one lock file; of it, what serving needs goes to deploy/requirements.txt.
lock: .venv/base
	$(PIP) uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --group dev --universal --python-version 3.11 \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file requirements.lock
	$(BIN)/uv pip compile pyproject.toml --extra fast --extra postgres --extra otel --universal --python-version 3.11 --constraint requirements.lock \
		--no-emit-index-url --no-annotate --no-header --quiet --output-file deploy/requirements.txt
	sed -i -E '/^(nvidia-cu|nvidia-n[cv]|cuda-|triton)/d' requirements.lock  # torch's CPU file needs none of these

clean:
	rm -rf .venv

.venv/bin/python:
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and f"Python 3.11 or newer is needed, this is {sys.version.split()[0]}; name one with PYTHON=")'
	$(PYTHON) -m venv .venv

# What answers requests as one thing: docs/deploy.md.
bento: .venv/base
	BENTOML_DO_NOT_TRACK=True $(BIN)/python -m bentoml build .

# What serving needs: no torch, no scikit-learn.
.venv/base: pyproject.toml requirements.lock | .venv/bin/python
	$(PIP) --editable '.[fast]'
	touch $@

# Everything but torch: the extra `encoder` is installed by .ci/run, or by hand.
.venv/dev: pyproject.toml requirements.lock | .venv/bin/python
	$(PIP) 'pip>=25.1'
	$(PIP) --editable '.[fast,train,postgres,collect,otel]' --group dev
	touch .venv/base $@

# LiteLLM's proxy, which tests start for real, apart from the rest: it pins what others need newer. 1.108.7 is the newest
# whose parts could all be installed.
.venv/litellm/ready: | .venv/bin/python
	$(PYTHON) -m venv .venv/litellm
	.venv/litellm/bin/python -m pip install --quiet --disable-pip-version-check 'litellm[proxy]==1.108.7'
	touch $@

# Portkey's open gateway, which tests start for real.
.venv/portkey/ready: | .venv/bin/python
	npm install --silent --no-audit --no-fund --ignore-scripts --prefix .venv/portkey @portkey-ai/gateway@1.15.2
	touch $@
