// SPDX-License-Identifier: Apache-2.0
//
// Predictor: seconds of one kernel call from what the kernel must do (templates/registry.h: estimate_work, with
// exact block counts) and how fast the machine does it (MachineProfile). No clock, no search.
//
// A kernel is bound by its busiest resource: FMA pipes, load and broadcast issue, stores and shuffles, or the bytes
// it asks of the cache level that holds its operands (resources overlap, but not perfectly). On top come fixed costs
// for every pass of the register tile (filling and draining it) and every block visited in one; with several threads,
// the share of the longest one.
// The purpose is ranking: the tuner measures the best few.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>

#include "targets/base/fields.h"
#include "targets/machine_profile.h"
#include "targets/target.h"
#include "templates/registry.h"

namespace lacuna {

// Sustained rates of one core, per second.
struct MachineRates {
  double clock_hz = 3e9;
  double vector_fmas = 3e9;
  double dots_bf16 = 3e9;
  double vector_loads = 3e9;
  double broadcasts = 6e9;
  double vector_stores = 3e9;
  double shuffles = 3e9;
  double l1_bytes = 1.5e11;
  double l2_bytes = 6e10;
  double l3_bytes = 2e10;
  double dram_bytes = 8e9;
  double parallel_efficiency = 1;  // of all cores together
  bool measured = false;           // from a profile
};

// Rates from the target's cycle counts, replaced by measured ones where `profile` has them. Null: no profile; the
// clock is then taken as 3 GHz, which scales all predictions alike and hardly changes their order.
[[nodiscard]] MachineRates make_machine_rates(const Target& target, const MachineProfile* profile);

enum class Bound : std::uint8_t { kFma, kLoads, kStores, kMemory, kOverhead };

template <>
struct EnumNames<Bound> {
  static constexpr std::array kNames = {std::pair{Bound::kFma, std::string_view("fma")},
                                        std::pair{Bound::kLoads, std::string_view("loads")},
                                        std::pair{Bound::kStores, std::string_view("stores")},
                                        std::pair{Bound::kMemory, std::string_view("memory")},
                                        std::pair{Bound::kOverhead, std::string_view("overhead")}};
};

// Parts in seconds of one thread doing all the work; `seconds` is the call's, threads counted.
struct Prediction {
  double seconds = 0;
  double fma_s = 0;
  double load_s = 0;
  double store_s = 0;  // stores and shuffles
  double memory_s = 0;
  double overhead_s = 0;      // tile passes and block visits
  Bound bound = Bound::kFma;  // the largest part
};

// `counts` from block_counts() (runtime/planner.h); n > 0. Pure.
[[nodiscard]] Prediction predict(const KernelSpec& spec, const Target& target,
                                 const MachineRates& rates, const BlockCounts& counts,
                                 std::int64_t n, std::int32_t threads);

}  // namespace lacuna
