// SPDX-License-Identifier: Apache-2.0
//
// Measures the MachineProfile of the machine we run on: what `lacuna probe` stores and prediction builds on.
//
// Each quantity is the best of several samples taken in turns with all the others, so that a disturbance by
// another tenant of the machine falls on all alike and on none for good. Buffers are 2 MiB aligned and ask
// for huge pages; bandwidths are measured at half of each cache level, and beyond all of them.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string_view>

#include "targets/base/result.h"
#include "targets/host.h"
#include "targets/machine_profile.h"
#include "targets/target.h"
#include "tuner/clock.h"

namespace lacuna {

struct ProbeOptions {
  std::int32_t rounds = 20;  // samples of each quantity
  double budget_s = 20;      // no new round after this; at least one round is measured
  double sample_s = 0.003;   // shortest timed sample
  // Told before each sample: the fraction done, from 0 to 1, and what comes now.
  std::function<void(double fraction, std::string_view what)> progress = {};
  const std::atomic<bool>* stop = nullptr;  // set it to stop within one sample
};

// `host` from describe_host(); its vector width decides which loops run. Takes about 10 s on two cores and
// at most budget_s plus one round; uses 0.25 to 0.5 GiB of memory, less where less is free.
// Errors: kInterrupted (stop was set; nothing is kept), kUnsupported (no memory for the buffers, or a
// clock that does not advance).
[[nodiscard]] Result<MachineProfile> probe_machine(const HostDescription& host, Clock& clock,
                                                   const ProbeOptions& options = {});

// Bytes touched by the bandwidth measurements, from the cache sizes; l3 is 0 where there is no such level.
struct ProbeFootprints {
  std::int64_t l1 = 0, l2 = 0, l3 = 0, dram = 0;

  bool operator==(const ProbeFootprints&) const = default;
};
// `memory_bytes`: what may be used in all.
[[nodiscard]] ProbeFootprints choose_footprints(const Caches& caches, std::int64_t memory_bytes);

}  // namespace lacuna
