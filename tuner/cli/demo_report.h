// SPDX-License-Identifier: Apache-2.0
//
// What the demo found out, as a table and as JSON.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "runtime/trainer/recipe.h"
#include "runtime/trainer/trainer.h"
#include "targets/machine_profile.h"
#include "tuner/cli/demo_kernels.h"

namespace lacuna::cli {

struct DemoNet {
  trainer::Recipe recipe;
  trainer::TrainSummary summary;
  std::vector<std::vector<KernelRate>> kernels;  // [layer][operation]
};

struct DemoReport {
  nlohmann::json environment;
  MachineProfile profile;
  int threads = 1;
  std::int64_t train_images = 0;
  std::vector<DemoNet> nets;  // the first is the baseline of the speed-ups
};

// Median over the epochs of the seconds of training. At least one epoch.
[[nodiscard]] double epoch_seconds(const trainer::TrainSummary& summary);
// Median over the epochs that both have of the baseline's seconds / the net's: the nets take turns, so that what slows
// the machine slows both.
[[nodiscard]] double epoch_speedup(const trainer::TrainSummary& baseline,
                                   const trainer::TrainSummary& net);

// One row a net, and below it how to read it.
[[nodiscard]] std::string to_text(const DemoReport& report);
[[nodiscard]] nlohmann::json to_json(const DemoReport& report);

// Writes demo-<machine>.json and .md into `folder`, replacing those of an earlier run on this machine; returns their
// common path without extension. Errors: kIo.
[[nodiscard]] Result<std::filesystem::path> store_report(const std::filesystem::path& folder,
                                                         const DemoReport& report);

}  // namespace lacuna::cli
