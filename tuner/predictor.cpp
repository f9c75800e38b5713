// SPDX-License-Identifier: Apache-2.0
#include "tuner/predictor.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <initializer_list>
#include <utility>
#include <variant>

#include "runtime/planner.h"
#include "targets/machine_profile.h"
#include "targets/target.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

constexpr double kAssumedClockHz = 3e9;
// Assumed without a profile, as bytes per cycle of one core: half, a quarter and an eighth of a 64-byte line.
constexpr double kL2BytesPerCycle = 32;
constexpr double kL3BytesPerCycle = 12;
constexpr double kDramBytesPerCycle = 3;
constexpr double kShufflesPerCycle = 1;
// Cycles to enter and leave a tile pass beyond its instructions: loop set-up, the first loads' latency, a mispredicted
// exit. The last FMAs' latency is added from the target.
constexpr double kTilePassCycles = 12;
// Cycles to visit a block in a tile pass: its index, addresses, a short loop's end.
constexpr double kBlockVisitCycles = 2;
constexpr double kOverlapExponent = 3;
// Share of the requested bytes that really come from the level that holds the operands: the rest is still in L1, from a
// neighbouring block or tile. Exponent, cycles and share were fitted together on 30 problems (masks of 1x1, 4x4, 8x8,
// 16x16 and 16x1 blocks, densities 0.1 and 0.3, every operation and layout, N = 256, AVX-512, 2 MiB of L2, 1368 kernels
// measured under foreign load): regret of the best of 8 by prediction 2.0 % mean (3.3 % with share 1), of the first
// 6.3 % (10.9 %). Worst where the mask is unstructured: 27 % of the best of 8.
constexpr double kShareBeyondL1 = 0.5;
// A parallel region's start and end.
constexpr double kForkSeconds = 4e-6;

double or_else(double measured, double assumed) {
  return measured > 0 ? measured : assumed;
}

// Bytes per second of the level that holds the footprint. Between levels the rates mix in proportion.
double level_rate(const Target& target, const MachineRates& rates, double footprint_bytes) {
  const auto l1 = static_cast<double>(target.caches.l1d_bytes);
  const auto l2 = static_cast<double>(target.caches.l2_bytes);
  const auto l3 = static_cast<double>(target.caches.l3_bytes);
  if (footprint_bytes <= l1) return rates.l1_bytes;
  if (footprint_bytes <= l2) return rates.l2_bytes;
  const double outer = footprint_bytes <= l3 ? rates.l3_bytes : rates.dram_bytes;
  const double inside = l2 / footprint_bytes;  // share of the requests that still hit L2
  return 1.0 / (inside / rates.l2_bytes + (1.0 - inside) / outer);
}

// The register tile is a set of independent FMA chains; too few of them leave the pipes waiting for results.
double chain_efficiency(const KernelSpec& spec, const Target& target, std::int64_t n) {
  const Schedule& schedule = spec.schedule;
  if (schedule.strategy == Strategy::kScatter) return 1.0;
  // They have sums enough.
  if (schedule.strategy == Strategy::kPermute || schedule.strategy == Strategy::kStream) return 1.0;
  double chains = static_cast<double>(schedule.mr) * schedule.nv;  // with jammed rows at most
  // A product of tiles takes 52 cycles, the next may start after 16 to 32.
  constexpr double kMatrixChains = 3;
  if (schedule.strategy == Strategy::kMatrixTile) return std::min(1.0, chains / kMatrixChains);
  const double needed = target.pipes.fma_per_cycle * target.pipes.fma_latency;
  if (needed <= 0) return 1.0;
  if (schedule.strategy == Strategy::kRowTile && std::holds_alternative<Bsr>(spec.format) &&
      group_of(spec.format) == 1) {
    // Sums of small tiles are in parts, as many as whole tiles need (llvm/row_tile_panel.h).
    const double parts = std::max(1.0, std::floor(needed / chains));
    const double vectors = std::ceil(static_cast<double>(n) / target.f32_lanes());
    chains = schedule.mr * std::min<double>(schedule.nv, vectors) * parts;
  }
  return std::min(1.0, chains / needed);
}

// Resources work side by side, but not perfectly: near-equal demands get in each other's way. The norm lies between the
// largest part (exponent infinity) and the sum (1).
double overlapped(std::initializer_list<double> parts) {
  double sum = 0;
  for (const double part : parts)
    sum += std::pow(part, kOverlapExponent);
  return std::pow(sum, 1.0 / kOverlapExponent);
}

// Blocks met in all tile passes; of jammed rows, columns. A pass of the dot strategy is within a block; scatter passes
// are over block rows.
double block_visits(const KernelSpec& spec, const BlockCounts& counts, double tile_passes) {
  if (spec.op == Op::kSddmm && !std::holds_alternative<Jam>(spec.format)) return 0;
  if (std::holds_alternative<Baked>(spec.format)) return 0;  // straight-line code
  const std::int32_t r = counted_as(spec.format).r;
  const std::int64_t lists =
      spec.schedule.strategy == Strategy::kScatter ? (counts.rows_in + r - 1) / r : counts.panels;
  return lists > 0 ? tile_passes * static_cast<double>(counts.blocks) / static_cast<double>(lists)
                   : 0;
}

}  // namespace

MachineRates make_machine_rates(const Target& target, const MachineProfile* profile) {
  const MachineProfile none;
  const MachineProfile& p = profile != nullptr ? *profile : none;
  MachineRates rates;
  const double clock = or_else(p.clock_ghz * 1e9, kAssumedClockHz);
  const int lanes = std::max(1, target.f32_lanes());
  const double vector_bytes = lanes * 4.0;
  rates.clock_hz = clock;
  rates.vector_fmas =
      or_else(p.fma_f32_gflops * 1e9 / (2.0 * lanes), target.pipes.fma_per_cycle * clock);
  constexpr double kFlopsOfPair = 4;
  rates.dots_bf16 = or_else(p.fma_bf16_gflops * 1e9 / (kFlopsOfPair * lanes),
                            target.pipes.dot_bf16_per_cycle * clock);
  rates.vector_loads = target.pipes.load_per_cycle * clock;
  rates.broadcasts = target.pipes.broadcast_per_cycle * clock;
  rates.vector_stores = target.pipes.store_per_cycle * clock;
  rates.shuffles = kShufflesPerCycle * clock;
  rates.l1_bytes =
      or_else(p.l1_read_gbps * 1e9, target.pipes.load_per_cycle * vector_bytes * clock);
  rates.l2_bytes = or_else(p.l2_read_gbps * 1e9, kL2BytesPerCycle * clock);
  rates.dram_bytes = or_else(p.dram_read_gbps * 1e9, kDramBytesPerCycle * clock);
  rates.l3_bytes =
      or_else(p.l3_read_gbps * 1e9,
              target.caches.l3_bytes > 0 ? kL3BytesPerCycle * clock : rates.dram_bytes);
  rates.parallel_efficiency = std::clamp(p.parallel_efficiency, 0.01, 1.0);
  rates.measured = profile != nullptr;
  return rates;
}

Prediction predict(const KernelSpec& spec, const Target& target, const MachineRates& rates,
                   const BlockCounts& counts, std::int64_t n, std::int32_t threads) {
  const WorkEstimate work = estimate_work(spec, target, counts, n);
  Prediction p;
  p.fma_s = (work.fmas / rates.vector_fmas + work.dots_bf16 / rates.dots_bf16) /
            chain_efficiency(spec, target, n);
  // Vector loads and broadcasts use the same ports.
  p.load_s = work.vector_loads / rates.vector_loads + work.broadcasts / rates.broadcasts;
  p.store_s = work.stores / rates.vector_stores + work.shuffles / rates.shuffles;
  // Decoding reads each weight once: nothing of them is in L1.
  const Strategy strategy = spec.schedule.strategy;
  const bool decodes = strategy == Strategy::kPermute || strategy == Strategy::kStream;
  const double share_a = decodes ? 1 : kShareBeyondL1;
  p.memory_s =
      (share_a * work.bytes_a + kShareBeyondL1 * work.bytes_c + kCodeByteCost * work.code_bytes) /
          level_rate(target, rates, work.footprint_bytes) +
      kShareBeyondL1 * work.bytes_b / level_rate(target, rates, work.reused_bytes);
  const double visits = block_visits(spec, counts, work.tile_passes);
  p.overhead_s = (work.tile_passes * (kTilePassCycles + target.pipes.fma_latency) +
                  visits * kBlockVisitCycles + work.loop_ends * kLoopEndCycles) /
                 rates.clock_hz;

  const std::array parts = {std::pair{p.fma_s, Bound::kFma}, std::pair{p.load_s, Bound::kLoads},
                            std::pair{p.store_s, Bound::kStores},
                            std::pair{p.memory_s, Bound::kMemory},
                            std::pair{p.overhead_s, Bound::kOverhead}};
  p.bound = std::max_element(parts.begin(), parts.end())->second;
  p.seconds = overlapped({p.fma_s, p.load_s, p.store_s, p.memory_s}) + p.overhead_s;
  if (threads > 1) {
    const Splits splits = allowed_splits(spec, target);
    const double repeated = splits.repeats_packing
                                ? predict(spec, target, rates, without_blocks(counts), n, 1).seconds
                                : 0;
    const double share = longest_share(splits, counts, n, threads);
    p.seconds =
        (repeated + (p.seconds - repeated) * share) / rates.parallel_efficiency + kForkSeconds;
  }
  return p;
}

}  // namespace lacuna
