// SPDX-License-Identifier: Apache-2.0
#include "tuner/probe/probe_machine.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "targets/base/file.h"
#include "targets/base/result.h"
#include "targets/base/text.h"
#include "targets/host.h"
#include "targets/machine_profile.h"
#include "targets/target.h"
#include "tuner/clock.h"
#include "tuner/probe/huge_buffer.h"
#include "tuner/probe/loops.h"
#include "tuner/probe/rate_meter.h"
#include "tuner/probe/thread_team.h"

namespace lacuna {
namespace {

constexpr std::int64_t kMiB = std::int64_t{1} << 20;

std::int64_t round_to_granule(std::int64_t bytes) {
  return std::max(bytes / kStreamGranuleBytes, std::int64_t{1}) * kStreamGranuleBytes;
}

// The level may be shared with tenants that a virtual machine cannot see (the whole socket's 480 MiB were
// shown to a guest of two cores): a footprint beyond 32 MiB would measure their luck.
std::int64_t choose_l3_footprint(const Caches& caches) {
  constexpr std::int64_t kMost = 32 * kMiB;
  std::int64_t bytes = std::min(caches.l3_bytes / 2, kMost);
  if (bytes < 2 * caches.l2_bytes) bytes = std::min(2 * caches.l2_bytes, caches.l3_bytes / 4 * 3);
  return bytes <= caches.l2_bytes ? 0 : round_to_granule(bytes);
}

// "MemAvailable:   20000 kB" of /proc/meminfo; 0 if it is not there.
std::int64_t read_available_memory() {
  const auto text = read_text_file("/proc/meminfo");
  if (!text) return 0;
  constexpr std::string_view kKey = "MemAvailable:";
  const auto at = text->find(kKey);
  if (at == std::string::npos) return 0;
  std::string_view rest = std::string_view(*text).substr(at + kKey.size());
  while (cut_prefix(rest, " ")) {
  }
  return parse_digits(cut_digits(rest)).value_or(0) * 1024;
}

// What this process may take without disturbing others or meeting its container's limit.
std::int64_t usable_memory() {
  constexpr std::int64_t kUnknown = 1024 * kMiB;
  std::int64_t bytes = read_available_memory();
  if (bytes == 0) bytes = kUnknown;
  if (const auto limit = read_text_file("/sys/fs/cgroup/memory.max")) {
    std::string_view text = *limit;
    bytes = std::min(bytes, parse_digits(cut_digits(text)).value_or(bytes));  // "max": no limit
  }
  return bytes / 4;
}

// The tasks, and where in the profile the rate of each goes.
struct ProbePlan {
  std::vector<RateTask> tasks;
  std::vector<double MachineProfile::*> fields;

  void add(double MachineProfile::* field, RateTask task) {
    tasks.push_back(std::move(task));
    fields.push_back(field);
  }
  void add_loop(double MachineProfile::* field, std::string what,
                std::optional<RegisterLoop> loop) {
    if (!loop) return;
    add(field, {.what = std::move(what), .run = loop->run, .work_per_step = loop->work_per_step});
  }
  void add_stream(double MachineProfile::* field, std::string what, StreamLoop loop,
                  std::byte* buffer, std::int64_t bytes) {
    if (bytes == 0) return;
    add(field, {.what = std::move(what),
                .run = [=](std::int64_t passes) { loop(buffer, bytes, passes); },
                .work_per_step = static_cast<double>(bytes)});
  }
};

void add_arithmetic(ProbePlan& plan, const Target& target) {
  plan.add_loop(&MachineProfile::fma_f32_gflops, "f32 multiply-adds", make_fma_f32_loop(target));
  plan.add_loop(&MachineProfile::fma_bf16_gflops, "bf16 dot products", make_dot_bf16_loop(target));
  plan.add_loop(&MachineProfile::dot_int8_gops, "int8 dot products", make_dot_int8_loop(target));
  plan.add_loop(&MachineProfile::clock_ghz, "clock", make_dependent_add_loop());
}

void add_bandwidths(ProbePlan& plan, const Target& target, std::byte* buffer,
                    const ProbeFootprints& footprints) {
  const StreamLoop read = make_read_loop(target);
  const StreamLoop write = make_write_loop(target);
  plan.add_stream(&MachineProfile::l1_read_gbps, "L1 read", read, buffer, footprints.l1);
  plan.add_stream(&MachineProfile::l2_read_gbps, "L2 read", read, buffer, footprints.l2);
  plan.add_stream(&MachineProfile::l2_write_gbps, "L2 write", write, buffer, footprints.l2);
  plan.add_stream(&MachineProfile::l3_read_gbps, "L3 read", read, buffer, footprints.l3);
  plan.add_stream(&MachineProfile::dram_read_gbps, "DRAM read", read, buffer, footprints.dram);
  plan.add_stream(&MachineProfile::dram_write_gbps, "DRAM write", write, buffer, footprints.dram);
}

// Holds the rate of the whole team until it is divided by that of one core.
void add_team(ProbePlan& plan, ThreadTeam& team, const Target& target) {
  constexpr double kSampleScale = 5;  // threads start some microseconds apart
  plan.add(&MachineProfile::parallel_efficiency,
           {.what = fmt::format("f32 multiply-adds on {} cores", team.size()),
            .run = [&team](std::int64_t steps) { team.run(steps); },
            .work_per_step = make_fma_f32_loop(target).work_per_step * team.size(),
            .sample_scale = kSampleScale});
}

}  // namespace

ProbeFootprints choose_footprints(const Caches& caches, std::int64_t memory_bytes) {
  constexpr std::int64_t kLeast = 64 * kMiB;
  const std::int64_t wanted = std::clamp(2 * caches.l3_bytes, 256 * kMiB, 512 * kMiB);
  ProbeFootprints footprints;
  footprints.l1 = round_to_granule(caches.l1d_bytes / 2);
  footprints.l2 = round_to_granule(caches.l2_bytes / 2);
  footprints.l3 = choose_l3_footprint(caches);
  footprints.dram = round_to_granule(std::max(std::min(wanted, memory_bytes), kLeast));
  return footprints;
}

Result<MachineProfile> probe_machine(const HostDescription& host, Clock& clock,
                                     const ProbeOptions& options) {
  const Target& target = host.target;
  const ProbeFootprints footprints = choose_footprints(target.caches, usable_memory());
  // All streams share one buffer: the inner levels use its beginning.
  LACUNA_TRY(const HugeBuffer buffer,
             HugeBuffer::allocate(std::max(footprints.dram, footprints.l2)));
  ThreadTeam team(host.cores, make_fma_f32_loop(target).run);
  ProbePlan plan;
  add_arithmetic(plan, target);
  add_bandwidths(plan, target, buffer.data(), footprints);
  add_team(plan, team, target);
  LACUNA_TRY(const std::vector<double> rates, measure_rates(plan.tasks, clock, options));

  MachineProfile profile;
  for (std::size_t i = 0; i < rates.size(); ++i)
    profile.*plan.fields[i] = rates[i];
  // More than 1 is noise: the single core's best sample was a disturbed one.
  profile.parallel_efficiency =
      std::min(1.0, profile.parallel_efficiency / (profile.fma_f32_gflops * team.size()));
  profile.fingerprint = host_fingerprint(host);
  profile.model_name = host.model_name;
  profile.measured_at = utc_now_text();
  profile.cores = host.cores;
  return profile;
}

}  // namespace lacuna
