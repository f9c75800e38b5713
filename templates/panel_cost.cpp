// SPDX-License-Identifier: Apache-2.0
#include "templates/panel_cost.h"

#include <cstdint>

#include "targets/target.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/registry.h"
#include "templates/spec_dims.h"

namespace lacuna {
namespace {

// Added up, not the largest: of jammed rows a panel with more weights to a column does more FMAs for a load, so which
// of the two is the bound differs from panel to panel.
double cycles_of(const WorkEstimate& work, const Target& target) {
  const Pipes& pipes = target.pipes;
  return work.fmas / pipes.fma_per_cycle + work.dots_bf16 / pipes.dot_bf16_per_cycle +
         work.vector_loads / pipes.load_per_cycle + work.broadcasts / pipes.broadcast_per_cycle +
         work.stores / pipes.store_per_cycle + work.shuffles +
         work.tile_passes * (pipes.fma_latency + kTileTurnCycles) + work.loop_ends * kLoopEndCycles;
}

}  // namespace

PanelCost panel_cost(const KernelSpec& spec, const Target& target, std::int64_t n) {
  const auto cycles = [&](const BlockCounts& counts) {
    return cycles_of(estimate_work(spec, target, counts, n), target);
  };
  const Bsr block = counted_as(spec.format);
  BlockCounts empty_panel;
  empty_panel.panels = 1;
  empty_panel.rows_out = dims_of(spec).height;
  BlockCounts one_entry;
  one_entry.blocks = one_entry.blocks_by_column = 1;
  PanelCost cost;
  cost.panel = cycles(empty_panel);
  if (!is_jammed(spec) && !is_baked(spec)) {
    one_entry.weights = std::int64_t{block.r} * block.c;
    cost.entry = cycles(one_entry);
    return cost;
  }
  cost.entry = cycles(one_entry);
  BlockCounts one_weight;
  one_weight.weights = 1;
  cost.weight = cycles(one_weight);
  if (is_baked(spec)) return cost;
  // A group's loop is a matter of panels: what the first column adds to a panel beyond itself.
  BlockCounts panel_with_entry = empty_panel;
  panel_with_entry.blocks = panel_with_entry.blocks_by_column = 1;
  cost.list = cycles(panel_with_entry) - cost.panel - cost.entry;
  return cost;
}

}  // namespace lacuna
