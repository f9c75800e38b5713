# SPDX-License-Identifier: Apache-2.0
#
# Thin on purpose: each target is a few commands that can be typed by hand. `make` prints what there is.
SHELL := /bin/bash
# ccache is used where it is installed, and needed nowhere.
export CMAKE_C_COMPILER_LAUNCHER ?= $(shell command -v ccache)
export CMAKE_CXX_COMPILER_LAUNCHER ?= $(CMAKE_C_COMPILER_LAUNCHER)

.DEFAULT_GOAL := help
.PHONY: help demo test bench bench-rivals sanitize format lint install-deps install-dev-deps clean

help: ## print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-18s %s\n", $$1, $$2}' Makefile

demo: install-deps ## train dense and block-sparse nets on Fashion-MNIST with generated, tuned kernels; print one table
	cmake --preset release
	cmake --build --preset release --target lacuna_cli lacuna_codegen_llvm
	build/release/bin/lacuna demo

test: install-deps ## build with warnings as errors and run every test
	python3 tests/arch/check_includes.py .
	cmake --preset dev
	cmake --build --preset dev
	ctest --preset dev

bench: install-deps ## build the benchmarks, run them, write results/
	cmake --preset release
	cmake --build --preset release
	.ci/run_benchmarks.sh build/release results/bench

bench-rivals: install-deps ## install every rival that Debian and PyPI offer, race them, write results/bench (RIVALS_ARGS="--large")
	.ci/install_rivals.sh build/rivals
	cmake --preset release
	cmake --build --preset release --target bench_rivals lacuna_codegen_llvm
	mkdir -p results/bench
	build/release/bin/bench_rivals --python-env build/rivals --out results/bench/rivals.json $(RIVALS_ARGS)

sanitize: install-deps ## build with address and undefined-behaviour sanitizers, run the unit tests and fuzz seeds
	cmake --preset asan
	cmake --build --preset asan --target tests/unit/all tests/fuzz/all lacuna_codegen_llvm
	ctest --test-dir build/asan/tests/unit --output-on-failure --no-tests=error
	ctest --test-dir build/asan/tests/fuzz --output-on-failure --no-tests=error

format: install-dev-deps ## reformat every C and C++ file
	.ci/format.sh

lint: install-dev-deps ## clang-format and all of clang-tidy over every C and C++ file (20 minutes on two cores)
	.ci/format.sh --check
	.ci/lint.sh

install-deps: ## install the Debian packages that building, testing and benchmarking need (apt)
	@.ci/install_deps.sh build

install-dev-deps: ## also those that formatting, linting, fuzzing and CI need
	@.ci/install_deps.sh dev

clean: ## remove the build folders
	rm -rf build
