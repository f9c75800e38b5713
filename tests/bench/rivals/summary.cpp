// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/rivals/summary.h"

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <string>
#include <utility>
#include <vector>

#include "tests/bench/rivals/contest.h"

namespace lacuna {
namespace {

double median(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : 0.5 * (values[half - 1] + values[half]);
}

}  // namespace

void Summary::add(const ContestCase& contest, ContestResult result) {
  results_.emplace_back(contest.name(), std::move(result));
}

std::vector<Summary::Loss> Summary::losses() const {
  std::vector<Loss> losses;
  for (const auto& [name, result] : results_)
    for (const RivalResult& rival : result.rivals)
      if (rival.missing.empty() && rival.speedup_paired <= 1)
        losses.push_back({name, rival.name, rival.speedup_paired});
  return losses;
}

std::vector<Summary::Standing> Summary::standings() const {
  std::vector<Standing> all;
  if (results_.empty()) return all;
  for (const RivalResult& rival : results_.front().second.rivals) {
    Standing standing;
    standing.name = rival.name;
    all.push_back(std::move(standing));
  }
  for (std::size_t i = 0; i < all.size(); ++i) {
    Standing& standing = all[i];
    std::vector<double> ratios;
    for (const auto& [name, result] : results_) {
      const RivalResult& rival = result.rivals[i];
      if (!rival.missing.empty()) {
        standing.missing = rival.missing;
        continue;
      }
      if (ratios.empty() || rival.speedup_paired < standing.least) {
        standing.least = rival.speedup_paired;
        standing.worst_case = name;
      }
      ratios.push_back(rival.speedup_paired);
      standing.ahead += rival.speedup_paired > 1 ? 1 : 0;
    }
    standing.cases = ratios.size();
    if (!ratios.empty()) standing.median = median(std::move(ratios));
  }
  return all;
}

void Summary::print() const {
  std::printf("\n%-34s %9s %9s %9s  %s\n", "rival", "ahead in", "median", "least", "where");
  for (const Standing& s : standings()) {
    if (s.cases == 0)
      std::printf("%-34s not available: %s\n", s.name.c_str(), s.missing.c_str());
    else
      std::printf("%-34s %4zu/%-4zu %8.2fx %8.2fx  %s\n", s.name.c_str(), s.ahead, s.cases,
                  s.median, s.least, s.worst_case.c_str());
  }
  const auto lost = losses();
  if (!lost.empty()) std::printf("\nnot ahead of:\n");
  for (const Loss& loss : lost)
    std::printf("  %-34s %-34s %.3fx\n", loss.contest.c_str(), loss.rival.c_str(),
                loss.speedup_paired);
  const auto ahead = std::ranges::count_if(
      results_, [](const auto& named) { return named.second.ahead_of_all(); });
  std::printf("\nahead of every rival in %td of %zu cases\n", ahead, results_.size());
}

nlohmann::json Summary::to_json() const {
  auto rivals = nlohmann::json::array();
  for (const Standing& s : standings())
    rivals.push_back({{"name", s.name},
                      {"cases", s.cases},
                      {"ahead", s.ahead},
                      {"median_speedup_paired", s.median},
                      {"least_speedup_paired", s.least},
                      {"least_case", s.worst_case},
                      {"missing", s.cases == 0 ? s.missing : ""}});
  auto lost = nlohmann::json::array();
  for (const Loss& loss : losses())
    lost.push_back(
        {{"case", loss.contest}, {"rival", loss.rival}, {"speedup_paired", loss.speedup_paired}});
  const auto ahead = std::ranges::count_if(
      results_, [](const auto& named) { return named.second.ahead_of_all(); });
  return {{"name", "summary"},
          {"cases", results_.size()},
          {"ahead_of_every_rival", ahead},
          {"not_ahead", std::move(lost)},
          {"rivals", std::move(rivals)}};
}

}  // namespace lacuna
