# make run: the studio. make test: all tests. make check: format, lint, types, tests. make bench: the benchmarks.
SHELL := /bin/sh
VENV := .venv
BIN := $(VENV)/bin
STYLE := nocturne
MELODY := twinkle

# Debian's names of what a Qt window needs, and of what the tests need besides.
WINDOW_PACKAGES := libgl1 libegl1 libxkbcommon0 libfontconfig1 libglib2.0-0 libdbus-1-3 libxcb-cursor0 \
	libxkbcommon-x11-0 libxcb-icccm4 libxcb-keysyms1 libxcb-image0 libxcb-render-util0 libxcb-randr0 libxcb-shape0
TEST_PACKAGES := $(WINDOW_PACKAGES) jackd2 xvfb xdotool openbox

.PHONY: run test check bench window-packages test-packages
.DEFAULT_GOAL := run

run: $(VENV)/.installed
	@if [ "$$(uname)" = Darwin ] || [ -n "$$DISPLAY$$WAYLAND_DISPLAY" ]; then \
		$(MAKE) -s window-packages; \
		exec $(BIN)/hommage studio; \
	fi; \
	echo "There is no display here, so no window: composing $(MELODY) in the style of $(STYLE) instead."; \
	$(BIN)/hommage compose --style $(STYLE) --melody $(MELODY) -o $(MELODY).mid && \
	$(BIN)/hommage render $(MELODY).mid -o $(MELODY).wav

test: $(VENV)/.installed-for-tests test-packages
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest

check: $(VENV)/.installed-for-tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) test

bench: $(VENV)/.installed-for-benchmarks
	QT_QPA_PLATFORM=offscreen $(BIN)/python -m pytest -m benchmark -s

$(VENV)/.installed: pyproject.toml | $(VENV)/.made
	$(BIN)/python -m pip install -e .
	@touch $@

$(VENV)/.installed-for-tests: pyproject.toml | $(VENV)/.made
	$(BIN)/python -m pip install -e '.[dev,train]'
	@touch $@ $(VENV)/.installed

$(VENV)/.installed-for-benchmarks: pyproject.toml | $(VENV)/.made
	$(BIN)/python -m pip install -e '.[dev,train,bench]'
	@touch $@ $(VENV)/.installed $(VENV)/.installed-for-tests

$(VENV)/.made:
	@found=; for python in $(PYTHON) python3 python3.12 python3.11; do \
		if $$python -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then \
			found=$$python; break; \
		fi; \
	done; \
	if [ -z "$$found" ]; then \
		echo "Hommage needs Python 3.11 or 3.12. Install one, or say where it is: make run PYTHON=/path/to/python3.12"; \
		exit 1; \
	fi; \
	if ! $$found -c 'import ensurepip, venv' 2>/dev/null; then \
		echo "$$found can't make environments. On Debian and Ubuntu: apt-get install python3-venv"; \
		exit 1; \
	fi; \
	$$found -m venv $(VENV)
	@touch $@

window-packages: PACKAGES := $(WINDOW_PACKAGES)
window-packages: MISSED := If the window does not open, install them.
test-packages: PACKAGES := $(TEST_PACKAGES)
test-packages: MISSED := The tests that need them are skipped.

# Installs what is missing where it may (root on Debian); elsewhere names it and goes on.
window-packages test-packages:
	@command -v dpkg-query >/dev/null || exit 0; \
	missing=; for package in $(PACKAGES); do \
		dpkg-query -W -f '$${db:Status-Status}\n' $$package $${package}t64 2>/dev/null | grep -qx installed || \
			missing="$$missing $$package"; \
	done; \
	[ -n "$$missing" ] || exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		echo "Installing$$missing"; \
		export DEBIAN_FRONTEND=noninteractive; \
		if apt-get update -qq && apt-get install -y -qq --no-install-recommends $$missing >/dev/null; then exit 0; fi; \
	fi; \
	echo "Not installed:$$missing. $(MISSED)"
