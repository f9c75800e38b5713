// SPDX-License-Identifier: Apache-2.0
//
// What the benchmark programs share: options, a pinned core, and result files.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sched.h>
#include <string>
#include <string_view>
#include <unistd.h>
#include <utility>
#include <vector>

#include "runtime/engine.h"
#include "runtime/planner.h"
#include "targets/base/file.h"
#include "targets/base/result.h"
#include "targets/host.h"
#include "tuner/bench.h"
#include "tuner/cli/run_environment.h"
#include "tuner/clock.h"
#include "tuner/tuner.h"

namespace lacuna {

// Keeps this thread, and what it starts, on the last core it may use: the first one serves most interrupts.
inline void pin_to_one_core() {
  cpu_set_t allowed;
  if (sched_getaffinity(0, sizeof allowed, &allowed) != 0) return;
  for (int core = CPU_SETSIZE - 1; core >= 0; --core) {
    if (!CPU_ISSET(core, &allowed)) continue;
    cpu_set_t one;
    CPU_ZERO(&one);
    CPU_SET(core, &one);
    sched_setaffinity(0, sizeof one, &one);
    return;
  }
}

// Of the kernel over a dense library; 0 if that was not measured.
inline double speedup_over(const BenchResult& result, std::string_view library) {
  for (const BaselineResult& baseline : result.baselines)
    if (baseline.name.starts_with(library)) return baseline.speedup;
  return 0;
}

// M and K of "MxK".
inline Result<std::pair<std::int64_t, std::int64_t>> parse_shape(const std::string& text) {
  long long m = 0;
  long long k = 0;
  char rest = 0;
  if (std::sscanf(text.c_str(), "%lldx%lld%c", &m, &k, &rest) != 2 || m < 1 || k < 1)
    return make_error(ErrorCode::kInvalidArgument, "'{}' is no shape MxK, as 1024x1024 is", text);
  return std::pair<std::int64_t, std::int64_t>(m, k);
}

// What the tuner chose for problem 0 of a request, and its time beside the rivals'.
struct TunedBench {
  TuneOutcome outcome;
  BenchResult bench;
};
inline Result<TunedBench> tune_and_bench(Engine& engine, const PlanRequest& request,
                                         const TuneOptions& options, std::int32_t rounds) {
  SteadyClock clock;
  LACUNA_TRY(TuneOutcome outcome, tune(engine, clock, request, nullptr, options));
  for (const std::string& warning : outcome.warnings)
    std::fprintf(stderr, "%s\n", warning.c_str());
  BenchOptions bench;
  bench.rounds = rounds;
  LACUNA_TRY(BenchResult result, bench_plan(engine, clock, request, outcome.plan, bench));
  return TunedBench{std::move(outcome), std::move(result)};
}

// What a program measures on: one core, which it keeps to, or all that it may use.
enum class Cores : std::uint8_t { kOne, kAll };

struct BenchProgram {
  std::string out;     // JSON file; empty: none
  std::string filter;  // only cases whose name contains it
  std::string format;  // of the file: json, as Google Benchmark's option says it
  std::string command;
  std::string conditions;  // where the operands lived, repetitions, what was discarded
  nlohmann::json results = nlohmann::json::array();
  HostDescription host;

  void add_options(CLI::App& app) {
    app.add_option("--out,--benchmark_out", out, "write the results to this JSON file");
    app.add_option("--filter,--benchmark_filter", filter, "only cases whose name contains this");
    app.add_option("--benchmark_out_format", format, "json")->check(CLI::IsMember({"json"}));
  }
  // After the options: notes the command line, keeps to one core if told to, looks at the machine.
  [[nodiscard]] Result<> start(int argc, char** argv, Cores cores = Cores::kOne) {
    for (int i = 0; i < argc; ++i)
      command += (i > 0 ? " " : "") + std::string(argv[i]);
    if (cores == Cores::kOne) pin_to_one_core();
    LACUNA_TRY(host, describe_host());
    return {};
  }
  [[nodiscard]] bool wants(const std::string& name) const {
    return name.find(filter) != std::string::npos;
  }

  // The shape of Google Benchmark's files: context and benchmarks.
  [[nodiscard]] Result<> write() const {
    if (out.empty()) return {};
    auto context = cli::run_environment(host, command);
    context["conditions"] = conditions;
    const nlohmann::json document = {{"context", context}, {"benchmarks", results}};
    return write_file_atomic(out, document.dump(1) + "\n");
  }
};

// Prints the error and gives the exit status.
inline int fail(const Error& error) {
  std::fprintf(stderr, "%s\n", error.message.c_str());
  return 1;
}

}  // namespace lacuna
