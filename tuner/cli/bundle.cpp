// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/bundle.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "codegen/code_generator.h"
#include "codegen/kernel.h"
#include "codegen/object_cache.h"
#include "runtime/baked_structure.h"
#include "runtime/engine.h"
#include "runtime/planner.h"
#include "runtime/structure.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"
#include "templates/format.h"
#include "templates/kernel_spec.h"
#include "templates/pattern_code.h"
#include "templates/problem.h"
#include "templates/schedule.h"

namespace lacuna::cli {
namespace {

namespace fs = std::filesystem;

struct PlanForThreads {
  Plan plan;
  std::int32_t threads = 1;
};

Result<std::vector<PlanForThreads>> plans_to_serve(PlanRequest request,
                                                   const std::string& fingerprint) {
  std::vector<PlanForThreads> plans(1);
  plans.front().threads = request.threads;
  LACUNA_TRY(plans.front().plan, DefaultPlanner(fingerprint).plan(request));
  for (request.threads = 1; request.threads <= kMaxThreads; request.threads *= 2) {
    LACUNA_TRY(Plan plan, DefaultPlanner(std::string()).plan(request));
    plans.push_back({std::move(plan), request.threads});
  }
  return plans;
}

class Writer {
 public:
  Writer(CodeGenerator& generator, const PlanRequest& request, const fs::path& folder)
      : generator_(generator), request_(request), bundle_(folder) {}

  Result<> add(const PlanForThreads& item) {
    for (std::size_t i = 0; i < request_.problems.size(); ++i)
      LACUNA_TRY_VOID(add_problem(request_.problems[i], item.plan.format, item.plan.schedules[i],
                                  item.threads));
    for (const Problem& problem : request_.problems)
      LACUNA_TRY_VOID(add_pattern(item.plan.format, problem.op));
    return {};
  }
  [[nodiscard]] const std::vector<fs::path>& files() const { return files_; }

 private:
  // As ExecutablePlan::create does: the schedule, else the first that compiles.
  Result<> add_problem(const Problem& problem, const Format& format, const Schedule& schedule,
                       std::int32_t threads) {
    auto added = add_kernel(make_kernel_spec(problem, format, schedule));
    if (added || added.error().code != ErrorCode::kCompile) return added;
    const StoredCounts stored = count_stored(*request_.mask, std::span(&format, 1), true).front();
    for (const Schedule& other :
         rank_schedules(problem, format, stored, request_.target, threads)) {
      auto substitute = add_kernel(make_kernel_spec(problem, format, other));
      if (substitute || substitute.error().code != ErrorCode::kCompile) return substitute;
    }
    return added;
  }

  Result<> add_kernel(const KernelSpec& spec) {
    const std::string name = kernel_name(spec, request_.target.name);
    const Hash128 key = kernel_key(spec, request_.target);
    fs::path path = bundle_.path_of(name, key);
    if (std::ranges::find(files_, path) != files_.end()) return {};
    // Plans for other numbers of threads met it already.
    if (const auto message = bundle_.find_rejection(name, key))
      return make_error(ErrorCode::kCompile, "{}", *message);
    auto kernel = generator_.compile(spec, request_.target);
    if (!kernel) {
      if (kernel.error().code == ErrorCode::kCompile)
        LACUNA_TRY_VOID(bundle_.store_rejection(name, key, kernel.error().message));
      return tl::unexpected<Error>(std::move(kernel).error());
    }
    LACUNA_TRY_VOID(bundle_.store(*kernel, key));
    files_.push_back(std::move(path));
    return {};
  }

  // The code of baked panels.
  Result<> add_pattern(const Format& format, Op op) {
    if (!std::holds_alternative<Baked>(format)) return {};
    LACUNA_TRY(Structure structure, make_structure(*request_.mask, format));
    const bool transposed = op == Op::kSpmmTransposed;
    if (transposed) LACUNA_TRY_VOID(add_block_columns(*request_.mask, structure));
    const Pattern pattern =
        pattern_of(std::get<BakedStructure>(structure),
                   transposed ? PanelDirection::kBlockColumns : PanelDirection::kBlockRows);
    const std::string name = pattern_name(pattern, request_.target.name);
    const Hash128 key = pattern_key(name, request_.target);
    fs::path path = bundle_.path_of(name, key);
    if (std::ranges::find(files_, path) != files_.end()) return {};
    LACUNA_TRY(const CompiledKernel code, generator_.compile(pattern, request_.target));
    LACUNA_TRY_VOID(bundle_.store(code, key));
    files_.push_back(std::move(path));
    return {};
  }

  CodeGenerator& generator_;
  const PlanRequest& request_;
  ObjectCache bundle_;
  std::vector<fs::path> files_;
};

}  // namespace

Result<std::vector<fs::path>> write_bundle(const PlanRequest& request,
                                           const std::string& fingerprint, const fs::path& folder) {
  LACUNA_TRY(const auto plans, plans_to_serve(request, fingerprint));
  LACUNA_TRY(CodeGenerator* const generator, load_code_generator());
  Writer writer(*generator, request, folder);
  for (const PlanForThreads& item : plans)
    LACUNA_TRY_VOID(writer.add(item));
  return writer.files();
}

}  // namespace lacuna::cli
