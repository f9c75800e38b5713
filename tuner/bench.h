// SPDX-License-Identifier: Apache-2.0
//
// Bench: one problem's kernel beside dense sgemm and the FMA peak, all interleaved in one run.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "runtime/engine.h"
#include "tuner/clock.h"

namespace lacuna {

// Steps of the FMA loop that measurements take as their yardstick: about 30 us.
inline constexpr std::int64_t kPeakSteps = 6000;

struct BenchOptions {
  std::int32_t rounds = 25;
  double budget_s = 5;
  bool baselines = true;
  bool peak = true;  // run the probe's FMA loop around each sample
  const std::atomic<bool>* stop = nullptr;
};

// A dense library in the same run.
struct BaselineResult {
  std::string name;  // "OpenBLAS 0.3.21 SkylakeX", or the library's plain name when it is missing
  std::string missing;  // why it was not measured, with the package to install; empty if it was
  double seconds = 0;   // interleaved minimum
  double speedup = 0;   // its minimum / the kernel's
  double speedup_paired =
      0;  // median of the ratios of the same round; far from speedup: a disturbed run

  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("name", self.name);
    visit("missing", self.missing);
    visit("seconds", self.seconds);
    visit("speedup", self.speedup);
    visit("speedup_paired", self.speedup_paired);
  }
};

// Rates in 1e9 per second; GFLOP/s on nonzeros: 2 * nnz * N, neither padding nor zeros counted.
struct BenchResult {
  std::string kernel;
  std::string format;
  std::string provenance;
  double seconds = 0;  // interleaved minimum of one call
  double gflops = 0;
  std::string peak_instruction;       // "f32 FMA": what the peak is of, see probe/loops.h
  double peak_gflops = 0;             // of one core, in the same run; 0 = not measured
  double percent_of_peak = 0;         // of minima; of all the threads' peak
  double percent_of_peak_paired = 0;  // median of the ratios to the loop right beside the sample
  std::vector<BaselineResult> baselines;
  std::int32_t samples = 0;
  std::int32_t threads = 1;
  bool interrupted = false;

  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("kernel", self.kernel);
    visit("format", self.format);
    visit("provenance", self.provenance);
    visit("seconds", self.seconds);
    visit("gflops", self.gflops);
    visit("peak_instruction", self.peak_instruction);
    visit("peak_gflops", self.peak_gflops);
    visit("percent_of_peak", self.percent_of_peak);
    visit("percent_of_peak_paired", self.percent_of_peak_paired);
    visit("baselines", self.baselines);
    visit("samples", self.samples);
    visit("threads", self.threads);
    visit("interrupted", self.interrupted);
  }
};

// Times problem 0 of the request with the given plan. First checks the kernel's and the baselines' results against the
// reference of trial.h. Operands stay where repeated calls leave them (in the cache level that holds them).
// Errors: those of ExecutablePlan; kInternal for a wrong result, naming who computed it; kInterrupted before a sample.
[[nodiscard]] Result<BenchResult> bench_plan(Engine& engine, Clock& clock,
                                             const PlanRequest& request, const Plan& plan,
                                             const BenchOptions& options);

}  // namespace lacuna
