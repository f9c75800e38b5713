// SPDX-License-Identifier: Apache-2.0
#include "tuner/verdict.h"

#include <fmt/format.h>
#include <string>

#include "targets/base/fields.h"
#include "tuner/measurer.h"

namespace lacuna {
namespace {

std::string percent(double fraction) {
  return fraction < 0.1 ? fmt::format("{:.1f} %", fraction * 100)
                        : fmt::format("{:.0f} %", fraction * 100);
}

}  // namespace

std::string race_verdict(const RaceEntry& entry, const RaceEntry& winner) {
  if (entry.samples == 0) return "not measured: out of time";
  // Paired ratios are the better comparison; minima where the two share no round.
  const double ratio =
      entry.ratio_to_winner > 0 ? entry.ratio_to_winner : entry.seconds / winner.seconds;
  const double slower = ratio - 1.0;
  std::string verdict;
  if (slower <= kTie)
    verdict = "tie: within " + percent(kTie);
  else
    verdict = "slower by " + percent(slower);
  if (entry.exit != RaceExit::kFinalist) verdict += fmt::format(", {}", to_text(entry.exit));
  return verdict;
}

std::string unmeasured_verdict(double predicted_s, double best_predicted_s) {
  if (predicted_s <= best_predicted_s)
    return "not measured: predicted equal, but others came first";
  if (best_predicted_s <= 0) return "not measured: predicted slower";
  return "not measured: predicted " + percent(predicted_s / best_predicted_s - 1.0) + " slower";
}

}  // namespace lacuna
