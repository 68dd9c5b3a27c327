# make help lists the targets.  make PYTHON=/path/to/python3.12 demo picks the interpreter.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test test-lowest triton integrations soak lint bench report compare baseline quality model compact compact-free base left-out tune profiles corpus sample clean

VENV := .venv
PY := $(VENV)/bin/python
# -qq: errors only.
PIP := $(PY) -m pip --disable-pip-version-check install -qq -c constraints.txt
LOWEST := $(VENV)/lowest
# A file of tests stays in one process; tests/conftest.py says in which order they begin.
SIDE_BY_SIDE := -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder
# export/ and benchmarks/ are installed as ser_rt.export and ser_rt.benchmarks: mypy sees them so.
TYPED := .mypy_cache/installed
PYTHON ?=
CORPUS ?=

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## stream the bundled sample through the bundled model
	@$(VENV)/bin/ser-stream ser_rt/samples/demo.flac --stats

test: $(VENV)/.dev ## run the tests
	@$(PY) -m pytest $(SIDE_BY_SIDE)

test-lowest: $(PY) ## run the tests with the oldest versions that pyproject.toml allows (needs uv)
	@uv venv -q --seed --clear --python $(PY) $(LOWEST)
	@uv pip install -q --python $(LOWEST)/bin/python --resolution lowest-direct -c constraints-lowest.txt -e '.[dev,peers]'
	@$(LOWEST)/bin/python -m pytest $(SIDE_BY_SIDE) $(addprefix -W ignore::,DeprecationWarning FutureWarning ResourceWarning)

triton: $(VENV)/triton ## install a Triton server, for its test

integrations: $(VENV)/integrations/.made ## install LiveKit Agents and pipecat, for the tests of their plugins

soak: $(VENV)/.dev ## stream for an hour in compressed time, and for fifteen minutes in real time
	@$(PY) -m pytest -m slow tests/runtime/test_soak.py

lint: $(VENV)/.dev ## ruff and mypy
	@$(PY) -m ruff check
	@$(PY) -m ruff format --check
	@rm -rf $(TYPED)  # links of modules that have moved
	@mkdir -p $(TYPED)/ser_rt
	@ln -sfn $(CURDIR)/ser_rt/* $(CURDIR)/export $(CURDIR)/benchmarks $(TYPED)/ser_rt/
	@ln -sfn $(CURDIR)/tests $(TYPED)/tests
	@cd $(TYPED) && $(CURDIR)/$(PY) -m mypy --config-file $(CURDIR)/pyproject.toml ser_rt tests

bench: $(VENV)/.dev ## run the benchmarks (on an idle machine)
	@$(PY) -m pytest $(SUITES)

# There is a folder of that name.
.PHONY: docs
docs: $(VENV)/.dev ## write the API reference into build/api, manual pages and all --help into build/man
	@$(PY) docs/api.py build/api
	@$(PY) docs/man.py build/man
	@echo build/api/index.html build/man/commands.html build/man/man1

report: $(VENV)/.dev ## run the benchmarks; write the speed tables of README and docs, and an HTML page
	@mkdir -p .benchmarks
	@$(PY) -m pytest $(SUITES) -q --benchmark-json=.benchmarks/suites.json >&2
	@$(PY) -m benchmarks report .benchmarks/suites.json $(PEERS) --page docs/benchmarks.md --readme README.md
	@$(PY) -m benchmarks report .benchmarks/suites.json $(wildcard benchmarks/results/*.json) --html .benchmarks/report.html

compare: $(VENV)/.dev ## fail if a hot path has become slower than its baseline
	@$(PY) -m benchmarks.measure.compare

baseline: $(VENV)/.dev ## measure the baseline of the hot paths again (on an idle machine)
	@$(PY) -m benchmarks.measure.compare --save

PEERS = $(wildcard benchmarks/results/*-peers-*.json benchmarks/results/*-hops-*.json)
SUITES := benchmarks/suites --benchmark-enable --benchmark-only

TRAIN = $(PY) -m ser_rt.train --manifest "$(CORPUS)/manifest.csv" --split train --skip_bad --resume
EVALUATE = $(PY) -m ser_rt.evaluate --manifest "$(CORPUS)/manifest.csv" $(SAME) --trim_silence
EXPORT = $(PY) -m ser_rt.export runs/$@
SAME := --same_labels indian-emospeech/Calm=Neutral
NOTICE := It classifies how a voice sounds, not what a person feels: do not decide anything about a person by it.
NC_NOTICE := Trained on acted speech, for non-commercial use only. $(NOTICE)
compact_data = --teacher runs/base --noise_dir "$(CORPUS)/noise" $(SAME)
compact_temperature := --temperature 1.0
compact_notice = $(NC_NOTICE)
compact-free_data := --licence_class permissive
compact-free_temperature := --temperature 2.5
compact-free_notice := Trained on acted German speech. $(NOTICE)
BASE ?= openai/whisper-base
base_data = --model_name "$(BASE)" --noise_dir "$(CORPUS)/noise" $(SAME)
# On corpora left out (make left-out) 1.8 is right, on speakers of known ones 1.0: see docs/decisions.md.
base_temperature := --temperature 1.5
base_notice = $(NC_NOTICE)
base_precision = --precision int8 --data runs/base/split.csv --clips 40
TUNE_SPEAKERS := emodb_09 emodb_11 emotiontts_emf emotiontts_nec emotiontts_nem nemo_EB0 nemo_TP0

model: corpus base compact compact-free ## train the built-in models again: make model CORPUS=folder BASE=whisper
	$(PY) -m benchmarks.report.model_card

compact: base
compact compact-free base: corpus $(VENV)/.dev
	$(TRAIN) --preset $@ $($@_data) --output_dir runs/$@
	$(EXPORT) $($@_precision) $($@_temperature) --out runs/$@-bundle
	$(EVALUATE) --split val --sounds "$(CORPUS)/noise" --model_path runs/$@-bundle --output_dir runs/$@-evaluation
	$(EXPORT) $($@_precision) $($@_temperature) --notice "$($@_notice)" --out ser_rt/bundles/$@ --evaluation runs/$@-evaluation/evaluation.json

MODEL ?= base
LEFT_OUT := emodb emotiontts nemo ravdess indian-emospeech
left-out: corpus $(VENV)/.dev ## train without one corpus at a time, for the temperature: make left-out CORPUS=folder MODEL=base
	for corpus in $(LEFT_OUT); do \
	  run=runs/left-out/$(MODEL)/$$corpus; \
	  $(TRAIN) --preset $(MODEL) $($(MODEL)_data) --leave_out $$corpus --output_dir $$run && \
	  $(EVALUATE) --split train --dataset $$corpus --no_stress --model_path $$run --output_dir $$run-evaluation || exit 1; \
	done
	$(PY) -m ser_rt.evaluate --compare runs/left-out/$(MODEL) --output_dir runs/left-out/$(MODEL)

quality: corpus $(VENV)/.dev ## judge the built-in models and others on the same clips: make quality CORPUS=folder
	$(PY) -m benchmarks quality "$(CORPUS)" --same_labels indian-emospeech/Calm=Neutral
	$(PY) -m benchmarks.quality.table

tune: corpus $(VENV)/.dev ## train on fewer speakers, to choose settings: make tune CORPUS=folder
	$(TRAIN) --preset compact --hold_out $(TUNE_SPEAKERS) --output_dir runs/tune

VOICES := runs/voices
TUNE = $(PY) -m ser_rt.commands.tune --model ser_rt/bundles/base --manifest $(VOICES)/tune.csv --split tune \
  --per-dataset 8 --fix-unsure 0.3 --trials 60
profiles: corpus $(VENV)/.dev ## search the profiles of base again: make profiles CORPUS=folder
	$(PY) -m benchmarks.quality.voices "$(CORPUS)" $(VOICES)
	$(TUNE) --max-delay 1.8 --max-flicker 3.5 --max-false-changes 1 --profile default --calibrate all
	$(TUNE) --max-delay 1.5 --max-flicker 6.5 --profile quick
	$(TUNE) --max-flicker 2.5 --max-false-changes 0.6 --profile calm

corpus:
	@test -f "$(CORPUS)/manifest.csv" || { echo "make model needs CORPUS=FOLDER with a manifest.csv" >&2; exit 1; }

sample: $(VENV)/.runtime ## render the demo sample again (needs espeak-ng)
	@$(PY) ser_rt/samples/render_demo.py

clean: ## remove the virtual environment and caches
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks build *.egg-info

# One environment: the tests' packages go on top of the demo's, and the demo still loads only its own.
# The stamps make a second run free; they are older than what names packages and the version when that has changed.
$(VENV)/.dev: pyproject.toml ser_rt/__init__.py constraints.txt $(PY)
	@echo "Installing ser-rt with what the tests need; the first time takes minutes ..." >&2
	@$(PIP) -e '.[dev]'
	@touch $(VENV)/.runtime $@

# It wants numpy 1, so it has an environment of its own.
$(VENV)/triton: constraints.txt | $(VENV)/.dev
	@$(PY) -m venv --clear $@
	@$@/bin/python -m pip --disable-pip-version-check install -qq nvidia-pytriton==0.7.0 \
	  "$$(grep ^onnxruntime== constraints.txt)" || { rm -rf $@; exit 1; }

# The frameworks want other versions than constraints.txt has.
$(VENV)/integrations/.made: integrations/constraints.txt $(wildcard integrations/*/pyproject.toml) | $(PY)
	@echo "Installing LiveKit Agents and pipecat; it takes minutes ..." >&2
	@$(PY) -m venv --clear $(@D)
	@$(@D)/bin/python -m pip --disable-pip-version-check install -qq -c integrations/constraints.txt \
	  -e '.[cpu]' -e integrations/livekit -e integrations/pipecat pytest pytest-timeout || { rm -rf $(@D); exit 1; }
	@touch $@

$(VENV)/.runtime: pyproject.toml ser_rt/__init__.py constraints.txt $(PY)
	@echo "Installing the ser-rt runtime ..." >&2
	@$(PIP) -e '.[cpu]'
	@touch $@

# The recipe runs when there is no environment, or its interpreter has gone.
$(PY):
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.14); do \
	  if $$python -c 'import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making $(VENV) with $$($$python --version) ..." >&2; \
	    $$python -m venv --clear $(VENV) && exit 0; rm -f $@; exit 1; \
	  fi; \
	done; \
	echo "ser-rt needs Python 3.11 or newer with its venv module; tried: $(or $(PYTHON),python3 python3.11 to python3.14)." >&2; \
	echo "Name one with: make PYTHON=/path/to/python3 ..." >&2; exit 1
