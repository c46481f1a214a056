# Each target installs what it needs first; nothing has to be prepared by hand.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
FIND_PYTHON = for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done
SHARED ?= ../shared
MARKET := $(SHARED)/data/market1501
PEERS := $(SHARED)/models/peers
# PEERS_PYTHON: python of an environment with roboflow's and BoxMOT's trackers, made as benchmarks/tracking.py says.
PEERS_OPTION := $(if $(PEERS_PYTHON),--peers-python $(PEERS_PYTHON))
# With what trackers are compared that look at pictures.
FILMED := --detector $(SHARED)/models/detector/yolo11n_int8_openvino_model --osnet $(PEERS)/osnet_x0_25_msmt17.pth \
	$(PEERS_OPTION)

.PHONY: install install-locked lock demo test lint bench endure docs package clean

install: $(STAMP)

$(STAMP): pyproject.toml
	@python=$$($(FIND_PYTHON)); \
	test -n "$$python" || { echo "Python 3.11 or newer is needed and was not found; install it first" >&2; exit 2; }; \
	test -x $(BIN)/python || $$python -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable '.[cpu,cluster,dev]'
	@touch $@

# The same, but exactly the packages of requirements.lock, each of which must have the hash that is written there.
install-locked:
	@python=$$($(FIND_PYTHON)); \
	test -n "$$python" || { echo "Python 3.11 or newer is needed and was not found; install it first" >&2; exit 2; }; \
	test -x $(BIN)/python || $$python -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes --requirement requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $(STAMP)

# Writes the locks anew from pyproject.toml, for Python 3.11 and newer, with uv in an environment of its own:
# requirements.lock for developers, deploy/requirements.lock for whoever runs it. Last, that each version has a wheel for
# each Python: some are made for newer ones only.
LOCKER := build/lock
lock: install
	@python=$$($(FIND_PYTHON)); test -x $(LOCKER)/bin/uv || $$python -m venv $(LOCKER)
	$(LOCKER)/bin/python -m pip install --quiet 'uv>=0.13,<1'
	echo 'setuptools>=77' | $(LOCKER)/bin/uv pip compile pyproject.toml - --extra cpu --extra cluster --extra dev \
		--generate-hashes --universal --python-version 3.11 --no-header --quiet --output-file requirements.lock
	echo 'setuptools>=77' | $(LOCKER)/bin/uv pip compile pyproject.toml - --extra cpu --constraint requirements.lock \
		--generate-hashes --universal --python-version 3.11 --no-header --no-annotate --quiet \
		--output-file deploy/requirements.lock
	$(BIN)/python -m tools.wheels --json benchmarks/wheels.json

demo: install
	$(BIN)/python run.py demo --output demo

# A file's tests stay in one process, so that what they share is made once; the long files come first, as collected.
test: install
	$(BIN)/python -m pytest --numprocesses=logical --maxprocesses=4 --dist=loadfile --no-loadscope-reorder

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m tools.layers
	$(BIN)/mypy

bench: install
	$(BIN)/python -m benchmarks.matching --json benchmarks/matching.json
	$(BIN)/python -m benchmarks.reid --data $(MARKET) --json benchmarks/reid.json \
		--peer $(PEERS)/person-reidentification-retail-0277/person-reidentification-retail-0277.xml \
		--peer $(PEERS)/person-reidentification-retail-0287/person-reidentification-retail-0287.xml
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.tracking --sequence $(SHARED)/data/mot-boxes \
		$(PEERS_OPTION) --json benchmarks/tracking.json
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.tracking --video $(SHARED)/data/mot/ADL-Rundle-6-first \
		$(FILMED) --json benchmarks/tracking_video.json
	test -d runs/gaps || $(BIN)/python run.py simulate --output runs/gaps --cameras 2 --people 60 --seconds 60 --fps 10 \
		--seed 301
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.tracking --video runs/gaps \
		$(FILMED) --json benchmarks/tracking_gaps.json
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks.tracking --speed $(PEERS_OPTION) --json benchmarks/tracking_speed.json
	$(BIN)/python run.py bench pipeline --video $(SHARED)/data/videos/town-centre.mp4 --cameras 1 --frames 250 --rounds 5 \
		--detector $(SHARED)/models/detector/yolo11n_int8_openvino_model --reid $(PEERS)/osnet_x0_25_msmt17.pth \
		--json benchmarks/pipeline.json
	$(BIN)/python -m benchmarks.search --data market1501:$(MARKET) --json benchmarks/search.json
	$(BIN)/python -m benchmarks.gallery_market --data market1501:$(MARKET) --json benchmarks/gallery_market.json
	$(BIN)/python -m benchmarks.gallery_load --json benchmarks/gallery_load.json
	$(BIN)/python -m benchmarks.gallery_kill --json benchmarks/gallery_kill.json

endure: install
	$(BIN)/python -m benchmarks.endure --json benchmarks/endure.json
	$(BIN)/python -m benchmarks.live_endure --json benchmarks/live_endure.json
	$(BIN)/python -m benchmarks.live_faults --json benchmarks/live_faults.json
	$(BIN)/python -m benchmarks.soak --json benchmarks/soak.json
	$(BIN)/python -m benchmarks.cluster --json benchmarks/cluster.json
	$(BIN)/python -m benchmarks.cluster_kill --json benchmarks/cluster_kill.json
	$(BIN)/python -m benchmarks.fuzz --json benchmarks/fuzz.json
	$(BIN)/python -m tools.package

# Tables and the configuration reference in the documentation.
docs: install
	$(BIN)/python -m tools.pages

# The package as a user gets it: built, installed elsewhere with all it needs, its demonstration run.
package: install
	$(BIN)/python -m tools.package --keep dist

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
