// SPDX-License-Identifier: Apache-2.0
//
// Cutting one call into tasks of equal predicted work: a task is a range of panels x a range of dense columns. Each
// element of the output belongs to one task, in an order of summation that the kernel fixes, so no split changes a bit
// of the result.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "runtime/panel_index.h"
#include "templates/panel_cost.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {

// A boundary between panels, and the predicted work of the panels before it.
struct PanelCut {
  std::int64_t panel = 0;
  double work_before = 0;

  bool operator==(const PanelCut&) const = default;
};

// Up to `parts` ranges of panels of equal work, fewer where a panel is more than a range's share; parts + 1 boundaries,
// from panel 0 to the end. Made once for a plan, finer than any call needs: split_call() chooses among them.
// `halves` as in Splits: the panels of the index are then those of the first half, each with its work in all of them.
[[nodiscard]] std::vector<PanelCut> cut_panels(const PanelIndex& index, const PanelCost& cost,
                                               std::int64_t parts, std::int64_t halves = 1);

struct Task {
  std::int64_t panel_begin = 0, panel_end = 0;
  std::int64_t n_begin = 0, n_end = 0;

  bool operator==(const Task&) const = default;
};

// One call over n > 0 columns as about `wanted` tasks, as far as `splits` allows: of panels first, or of columns first
// where the loop order keeps a tile of B in cache for all panels. A range of panels that is still more than a task's
// share, because one heavy panel is, is cut along n too. The longest tasks come first; equal ones by panel, then n.
[[nodiscard]] std::vector<Task> split_call(std::span<const PanelCut> cuts, const Splits& splits,
                                           LoopOrder order, std::int64_t n, std::int64_t wanted);

}  // namespace lacuna
