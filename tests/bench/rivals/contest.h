// SPDX-License-Identifier: Apache-2.0
//
// Contest: one case of bench_rivals. Lacuna's tuned plan and every rival compute the same product from the same
// operands; each result is checked against the tuner's reference; then all are timed in interleaved rounds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/engine.h"
#include "targets/base/result.h"
#include "templates/problem.h"
#include "tests/bench/rivals/python_rivals.h"
#include "tests/bench/rivals/rival.h"
#include "tuner/tuner.h"

namespace lacuna {

struct ContestCase {
  std::string pattern;  // "16x16:0.1" or "2of4", as --random of the command has it after the size
  std::int32_t block_r = 1, block_c = 1;  // 1 x 1: no blocks
  Problem problem;

  // "2of4_row_768x64x3072": pattern, layout, M x N x K.
  [[nodiscard]] std::string name() const;
};

struct ContestOptions {
  TuneOptions tune;
  std::int32_t rounds = 9;
  double budget_s = 1.2;            // of measuring: no new round after this, but at least one
  std::vector<std::string> rivals;  // parts of names; empty: all

  [[nodiscard]] bool wants(const std::string& rival) const;
};

struct RivalResult {
  std::string name;
  std::string kind;           // "dense" or "sparse"
  std::string process;        // "same" or "python": whose samples alternate with ours over a pipe
  std::string missing;        // why it was not measured; empty if it was
  double seconds = 0;         // interleaved minimum of one call
  double speedup = 0;         // its minimum / Lacuna's
  double speedup_paired = 0;  // median of the ratios of the same round

  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("name", self.name);
    visit("kind", self.kind);
    visit("process", self.process);
    visit("missing", self.missing);
    visit("seconds", self.seconds);
    visit("speedup", self.speedup);
    visit("speedup_paired", self.speedup_paired);
  }
};

// GFLOP/s on nonzeros: 2 nnz N.
struct ContestResult {
  std::string kernel;
  std::string format;
  double density = 0;
  double seconds = 0;  // interleaved minimum of one call
  double gflops = 0;
  double peak_gflops = 0;  // of one core, in the same run
  double percent_of_peak = 0;
  double percent_of_peak_paired = 0;  // median of the ratios to the loop right beside the sample
  std::int32_t samples = 0;
  std::vector<RivalResult> rivals;

  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("kernel", self.kernel);
    visit("format", self.format);
    visit("density", self.density);
    visit("seconds", self.seconds);
    visit("gflops", self.gflops);
    visit("peak_gflops", self.peak_gflops);
    visit("percent_of_peak", self.percent_of_peak);
    visit("percent_of_peak_paired", self.percent_of_peak_paired);
    visit("samples", self.samples);
    visit("rivals", self.rivals);
  }

  // The measured rival with the smallest speedup_paired, of one kind or of any ("" ); null if none was measured.
  [[nodiscard]] const RivalResult* strongest(const std::string& kind = "") const;
  [[nodiscard]] bool ahead_of_all() const;
};

// Errors: those of tuning and of Lacuna's own result. A rival that fails or computes wrong numbers is a row that says so.
[[nodiscard]] Result<ContestResult> run_contest(Engine& engine, const ContestCase& contest,
                                                const std::vector<Rival>& rivals,
                                                PythonRivals& python,
                                                const ContestOptions& options);

}  // namespace lacuna
