// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/kernel_choice.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "targets/base/result.h"
#include "targets/target.h"
#include "targets/target_yaml.h"
#include "templates/element_types.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/problem.h"
#include "templates/registry.h"
#include "templates/schedule.h"
#include "tuner/cli/request.h"

namespace lacuna::cli {
namespace {

constexpr Bsr kDefaultFormat{16, 16};

// A kernel name holds the target's name with '_' for '-'.
Result<Target> find_target_of_kernel(const std::string& name_in_kernel) {
  if (name_in_kernel == "host") return find_target("host");
  for (const std::string& known : known_target_names()) {
    std::string spelled = known;
    std::replace(spelled.begin(), spelled.end(), '-', '_');
    if (spelled == name_in_kernel) return find_target(known);
  }
  return find_target(name_in_kernel);  // an error that lists the known names
}

}  // namespace

Result<KernelChoice> choose_by_name(const std::string& name, const std::string& target_name) {
  auto parsed = parse_kernel_name(name);
  if (!parsed) return add_context("kernel name", std::move(parsed).error());
  KernelChoice choice;
  choice.spec = parsed->spec;
  LACUNA_TRY(choice.target, target_name.empty() ? find_target_of_kernel(parsed->target_name)
                                                : find_target(target_name));
  LACUNA_TRY_VOID(check_schedule(choice.spec, choice.target));
  return choice;
}

Result<std::vector<KernelChoice>> choose_by_options(const RequestOptions& options,
                                                    const std::string& target_name) {
  LACUNA_TRY(const Target target, find_target(target_name.empty() ? "host" : target_name));
  LACUNA_TRY(const std::vector<Problem> problems, make_problems(options, 0, 0));
  Format format = kDefaultFormat;
  if (!options.format.empty()) {
    auto parsed = parse_format(options.format);
    if (!parsed) return add_context("--format", std::move(parsed).error());
    format = *parsed;
  }
  std::vector<KernelChoice> choices;
  for (const Problem& problem : problems) {
    for (const Format& stored : stored_as(format, problem.types)) {
      KernelSpec spec = make_kernel_spec(problem, stored, Schedule{});
      for (const Schedule& schedule : enumerate_schedules(spec, target)) {
        spec.schedule = schedule;
        choices.push_back({spec, target});
      }
    }
  }
  if (choices.empty())
    return make_error(ErrorCode::kUnsupported, "target {} has no kernels for these options",
                      target.name);
  return choices;
}

}  // namespace lacuna::cli
