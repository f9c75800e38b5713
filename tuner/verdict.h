// SPDX-License-Identifier: Apache-2.0
//
// Verdicts: why a candidate did not win, in words that are stored in records and shown by `lacuna explain`.
#pragma once

#include <string>

#include "tuner/measurer.h"

namespace lacuna {

// "slower by 3.2 %", "slower by 140 %, dropped after 1 sample", "tie: within 0.5 %", "not measured: ...".
[[nodiscard]] std::string race_verdict(const RaceEntry& entry, const RaceEntry& winner);

// "not measured: predicted 40 % slower" than the best predicted candidate.
[[nodiscard]] std::string unmeasured_verdict(double predicted_s, double best_predicted_s);

}  // namespace lacuna
