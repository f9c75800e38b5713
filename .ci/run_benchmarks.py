#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Runs every benchmark program (*_bench) of a build and writes one result file for each.

    .ci/run_benchmarks.py BUILD_FOLDER RESULTS_FOLDER [ARGUMENT...]

ARGUMENTs go to every program (--benchmark_filter=...). A file holds Google Benchmark's JSON, and in its context what
results/README.md asks for: command, commit, date, machine. A program that fails leaves its old file alone.
"""
import datetime
import json
import os
import pathlib
import platform
import subprocess
import sys


def output_of(*command):
    return subprocess.run(command, check=True, text=True, stdout=subprocess.PIPE).stdout.strip()


def commit():
    try:
        changed = output_of("git", "status", "--porcelain", "--untracked-files=no")
        return output_of("git", "rev-parse", "HEAD") + (" + changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def machine():
    """CPU model, processors that this process may use, and operating system; not the machine's name."""
    lines = pathlib.Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    model = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {"cpu": model, "processors": len(os.sched_getaffinity(0)),
            "system": platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())}


def run(program, results, arguments):
    raw = results / f".{program.name}.json"
    command = [str(program), f"--benchmark_out={raw}", "--benchmark_out_format=json", *arguments]
    try:
        subprocess.run(command, check=True)
        data = json.loads(raw.read_text(encoding="utf-8"))
    finally:
        raw.unlink(missing_ok=True)
    context = data["context"]
    context.pop("host_name", None)
    context["executable"] = program.name
    context.update(command=" ".join([program.name, *arguments]), commit=commit(), machine=machine(),
                   date=datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds"))
    path = results / f"{program.name}.json"
    path.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
    return path


def main(arguments):
    if len(arguments) < 2:
        sys.exit("usage: run_benchmarks.py BUILD_FOLDER RESULTS_FOLDER [ARGUMENT...]")
    build, results = map(pathlib.Path, arguments[:2])
    programs = sorted(p for p in build.rglob("*_bench") if p.is_file() and os.access(p, os.X_OK))
    if not programs:
        sys.exit(f"run_benchmarks: no *_bench program below {build}; build the release preset first")
    results.mkdir(parents=True, exist_ok=True)
    for program in programs:
        print(f"wrote {run(program, results, arguments[2:])}")


if __name__ == "__main__":
    main(sys.argv[1:])
