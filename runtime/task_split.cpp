// SPDX-License-Identifier: Apache-2.0
#include "runtime/task_split.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <span>
#include <tuple>
#include <vector>

#include "runtime/panel_index.h"
#include "templates/panel_cost.h"
#include "templates/registry.h"
#include "templates/schedule.h"

namespace lacuna {
namespace {

// A range may be this much more than a task's share before it is cut along n: several tasks a thread even that out,
// and a cut along n reads the weights twice.
constexpr double kTolerated = 0.25;

double work_of(const PanelIndex& index, const PanelCost& cost, std::int64_t panel) {
  const std::int64_t entries = index.entries_before(panel + 1) - index.entries_before(panel);
  double work = cost.panel + cost.entry * static_cast<double>(entries);
  if (index.first_value.empty()) return work;
  const auto p = static_cast<std::size_t>(panel);
  work += cost.weight * static_cast<double>(index.first_value[p + 1] - index.first_value[p]);
  for (std::int64_t list = 0; list < index.lists; ++list)
    if (!index.list(panel, list).empty()) work += cost.list;
  return work;
}

// Where the boundaries of `parts` equal ranges come to lie among these, each at the nearest; without empty ranges.
std::vector<PanelCut> choose_cuts(std::span<const PanelCut> from, std::int64_t parts) {
  const double total = from.back().work_before;
  std::vector<PanelCut> cuts{from.front()};
  for (std::int64_t part = 1; part < parts; ++part) {
    const double target = total * static_cast<double>(part) / static_cast<double>(parts);
    auto at = std::ranges::lower_bound(from, target, {}, &PanelCut::work_before);
    if (at != from.begin() && target - (at - 1)->work_before < at->work_before - target) --at;
    if (at->panel > cuts.back().panel && at->panel < from.back().panel) cuts.push_back(*at);
  }
  cuts.push_back(from.back());
  return cuts;
}

// Collects the tasks of a call.
class Splitter {
 public:
  Splitter(const Splits& splits, std::int64_t n)
      : n_(n),
        granule_(splits.n_granule),
        granules_((n + granule_ - 1) / granule_),
        most_(splits.n ? granules_ : 1) {}

  [[nodiscard]] std::int64_t pieces(std::int64_t wanted) const {
    return std::clamp<std::int64_t>(wanted, 1, most_);
  }
  // The panels between two cuts as so many tasks along n.
  void add(const PanelCut& begin, const PanelCut& end, std::int64_t pieces) {
    const double work = (end.work_before - begin.work_before) / static_cast<double>(pieces);
    for (std::int64_t piece = 0; piece < pieces; ++piece)
      sized_.push_back(
          {{begin.panel, end.panel, n_cut(piece, pieces), n_cut(piece + 1, pieces)}, work});
  }
  // The longest first: where each thread takes the next task, the last ones to run are then the shortest.
  [[nodiscard]] std::vector<Task> take() {
    std::ranges::sort(sized_, [](const Sized& x, const Sized& y) {
      return std::tie(y.work, x.task.panel_begin, x.task.n_begin) <
             std::tie(x.work, y.task.panel_begin, y.task.n_begin);
    });
    std::vector<Task> tasks;
    tasks.reserve(sized_.size());
    for (const Sized& sized : sized_)
      tasks.push_back(sized.task);
    return tasks;
  }

 private:
  struct Sized {
    Task task;
    double work = 0;
  };

  [[nodiscard]] std::int64_t n_cut(std::int64_t piece, std::int64_t pieces) const {
    return std::min(n_, piece * granules_ / pieces * granule_);
  }

  std::int64_t n_, granule_, granules_, most_;
  std::vector<Sized> sized_;
};

}  // namespace

std::vector<PanelCut> cut_panels(const PanelIndex& index, const PanelCost& cost, std::int64_t parts,
                                 std::int64_t halves) {
  const std::int64_t panels = index.panels() / halves;
  std::vector<PanelCut> all{{0, 0}};
  all.reserve(static_cast<std::size_t>(panels) + 1);
  for (std::int64_t panel = 0; panel < panels; ++panel) {
    double work = 0;
    for (std::int64_t half = 0; half < halves; ++half)
      work += work_of(index, cost, panel + half * panels);
    all.push_back({panel + 1, all.back().work_before + work});
  }
  return choose_cuts(all, parts);
}

std::vector<Task> split_call(std::span<const PanelCut> cuts, const Splits& splits, LoopOrder order,
                             std::int64_t n, std::int64_t wanted) {
  Splitter splitter(splits, n);
  const double total = cuts.back().work_before;
  const bool panels_first = order == LoopOrder::kPanelOuter;
  const std::int64_t pieces_of_all = panels_first ? 1 : splitter.pieces(wanted);
  const std::int64_t parts = (wanted + pieces_of_all - 1) / pieces_of_all;
  const std::vector<PanelCut> chosen = choose_cuts(cuts, splits.panels ? parts : 1);
  for (std::size_t i = 0; i + 1 < chosen.size(); ++i) {
    const double work = chosen[i + 1].work_before - chosen[i].work_before;
    const double shares = total > 0 ? work / total * static_cast<double>(wanted) : 1;
    const auto needed = static_cast<std::int64_t>(std::ceil(shares - kTolerated));
    splitter.add(chosen[i], chosen[i + 1], std::max(pieces_of_all, splitter.pieces(needed)));
  }
  return splitter.take();
}

}  // namespace lacuna
