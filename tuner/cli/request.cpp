// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/request.h"

#include <charconv>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/mask_io.h"
#include "runtime/nm_pattern.h"
#include "runtime/planner.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/base/text.h"
#include "targets/machine_profile.h"
#include "targets/target.h"
#include "templates/element_types.h"
#include "templates/epilogue.h"
#include "templates/format.h"
#include "templates/problem.h"

namespace lacuna::cli {
namespace {

constexpr std::int64_t kMaxDim = std::int64_t{1} << 31;

Result<Layout> parse_layout(const std::string& text, std::string_view option) {
  if (text == "row") return Layout::kRowMajor;
  if (text == "col") return Layout::kColMajor;
  return make_error(ErrorCode::kInvalidArgument, "{} '{}' is not one of: row, col", option, text);
}

// Takes a number off the front of `text`, and the separator after it unless it is 0.
template <class T>
bool take(std::string_view& text, T& value, char separator) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return false;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()));
  if (separator == '\0') return true;
  if (text.empty() || text.front() != separator) return false;
  text.remove_prefix(1);
  return true;
}

// Nothing, or ":SEED".
bool take_seed(std::string_view rest, std::uint64_t& seed) {
  if (rest.empty()) return true;
  if (rest.front() != ':') return false;
  rest.remove_prefix(1);
  return take(rest, seed, '\0') && rest.empty();
}

std::vector<std::string> split_at_commas(std::string_view text) {
  std::vector<std::string> parts;
  while (true) {
    const auto comma = text.find(',');
    parts.emplace_back(text.substr(0, comma));
    if (comma == std::string_view::npos) return parts;
    text.remove_prefix(comma + 1);
  }
}

Result<Mask> load_or_make(const RequestOptions& options) {
  if (options.mask_path.empty() == options.random_mask.empty())
    return make_error(ErrorCode::kInvalidArgument,
                      "give either a MASK file or --random MxK:RxC:DENSITY or MxK:NofM");
  if (!options.random_mask.empty()) return make_random_mask(options.random_mask);
  return load_mask(options.mask_path);
}

}  // namespace

void add_kernel_options(CLI::App& verb, RequestOptions& options) {
  // Not a list option of CLI11's, which would take a MASK after it for one more operation.
  verb.add_option_function<std::string>(
          "--op", [&options](const std::string& text) { options.ops = split_at_commas(text); },
          "operations on the same values, separated by commas: spmm, spmm_transposed, sddmm")
      ->default_str("spmm");
  verb.add_option("--layout-b", options.layout_b, "layout of B: row or col")->capture_default_str();
  verb.add_option("--layout-c", options.layout_c, "layout of C: row or col")->capture_default_str();
  verb.add_option("--epilogue", options.epilogue,
                  fmt::format("of the first operation: none, or parts joined by _ in this order: "
                              "scale, scale_rows, scale_columns or scale_rows_columns; bias; one "
                              "of {} (drelu, ...: times its derivative); glu (the mask is that "
                              "of the gate's rows and, below them, of those it multiplies) or "
                              "gate; residual. For example bias_relu, bias_silu_gate, "
                              "bias_silu_glu",
                              activation_names()))
      ->capture_default_str();
  verb.add_flag("--accumulate", options.accumulate, "add to what is in the output (beta = 1)");
  verb.add_option(
          "--types", options.types,
          "types of the elements: " + join_names<ElementTypes>(", ") +
              " (bf16f32: bf16 operands, f32 results; c4f32: values are indices of 4 bits into a "
              "codebook of f32)")
      ->capture_default_str();
  verb.add_option("--format", options.format,
                  "storage format, e.g. bsr16x1, jam4 or nm2of4 (default: chosen by the tuner)");
}

void add_request_options(CLI::App& verb, RequestOptions& options) {
  verb.add_option("MASK", options.mask_path, "mask file: .npy, .npz (SciPy), .mtx, .smtx");
  verb.add_option("--random", options.random_mask,
                  "instead of a file: MxK:RxC:DENSITY[:zipfEXPONENT][:SEED], random blocks of R x "
                  "C, in rows as unequal as Zipf's law with the exponent makes them, or "
                  "MxK:NofM[xV][:SEED], N weights in every M columns of a row, V rows alike");
  verb.add_option("--n", options.n, "dense columns (tokens); 0 = unknown")->capture_default_str();
  verb.add_flag("--exact", options.exact,
                "store exactly the mask's elements (what training needs)");
  verb.add_option("--threads", options.threads, "threads of one call; 0 = OpenMP's default")
      ->capture_default_str();
  add_kernel_options(verb, options);
}

Result<Mask> make_random_mask(const std::string& text) {
  std::int64_t m = 0;
  std::int64_t k = 0;
  std::int32_t r = 0;
  std::int32_t c = 0;
  double density = 0;
  std::uint64_t seed = 1;
  std::string_view rest = text;
  const bool sizes = take(rest, m, 'x') && take(rest, k, ':');
  std::string_view groups = rest;
  std::int32_t v = 1;
  if (sizes && take(groups, r, 'o') && cut_prefix(groups, "f") && take(groups, c, '\0') &&
      (!cut_prefix(groups, "x") || take(groups, v, '\0')) && take_seed(groups, seed))
    return make_random_nm_mask(m, k, r, c, seed, v);
  const bool blocks =
      sizes && take(rest, r, 'x') && take(rest, c, ':') && take(rest, density, '\0');
  if (blocks && take_seed(rest, seed)) return make_random_block_mask(m, k, r, c, density, seed);
  double exponent = 0;
  if (blocks && cut_prefix(rest, ":zipf") && take(rest, exponent, '\0') && take_seed(rest, seed))
    return make_random_zipf_mask({m, k, r, c, density, exponent, seed});
  return make_error(ErrorCode::kInvalidArgument,
                    "--random '{}' is neither MxK:RxC:DENSITY[:zipfEXPONENT][:SEED], for example "
                    "1024x1024:16x16:0.1, nor MxK:NofM[xV][:SEED], for example 1024x1024:2of4",
                    text);
}

Result<std::vector<Problem>> make_problems(const RequestOptions& options, std::int64_t m,
                                           std::int64_t k) {
  if (options.n < 0 || options.n > kMaxDim)
    return make_error(ErrorCode::kInvalidArgument, "--n {} is not in [0, {}]", options.n, kMaxDim);
  Problem problem{.m = m, .k = k, .n = options.n, .accumulate = options.accumulate};
  LACUNA_TRY(problem.layout_b, parse_layout(options.layout_b, "--layout-b"));
  LACUNA_TRY(problem.layout_c, parse_layout(options.layout_c, "--layout-c"));
  auto epilogue = parse_epilogue(options.epilogue);
  if (!epilogue) return add_context("--epilogue", std::move(epilogue).error());
  auto types = parse_enum<ElementTypes>(options.types);
  if (!types) return add_context("--types", std::move(types).error());
  problem.types = *types;
  std::vector<Problem> problems;
  for (const std::string& name : options.ops) {
    auto op = parse_enum<Op>(name);
    if (!op) return add_context("--op", std::move(op).error());
    problem.op = *op;
    problem.epilogue = problems.empty() ? *epilogue : Epilogue{};
    LACUNA_TRY_VOID(check_problem(problem));
    problems.push_back(problem);
  }
  return problems;
}

Result<LoadedRequest> make_request(const RequestOptions& options, const Target& target,
                                   std::int32_t default_threads) {
  if (options.threads < 0)
    return make_error(ErrorCode::kInvalidArgument, "--threads {} is negative", options.threads);
  LoadedRequest loaded;
  LACUNA_TRY(Mask mask, load_or_make(options));
  loaded.mask_name =
      options.mask_path.empty() ? "random " + options.random_mask : options.mask_path;
  loaded.mask = std::make_unique<const Mask>(std::move(mask));
  loaded.request.mask = loaded.mask.get();
  LACUNA_TRY(loaded.request.problems, make_problems(options, loaded.mask->m(), loaded.mask->k()));
  if (!options.format.empty()) {
    auto format = parse_format(options.format);
    if (!format) return add_context("--format", std::move(format).error());
    loaded.request.pinned_format = *format;
  }
  loaded.request.padding = options.exact ? Padding::kExact : Padding::kAny;
  loaded.request.target = target;
  loaded.request.threads = options.threads > 0 ? options.threads : default_threads;
  LACUNA_TRY_VOID(check_plan_request(loaded.request));
  return loaded;
}

Result<Session> open_session(std::int32_t threads) {
  EngineOptions options;
  options.threads = threads;
  Session session;
  LACUNA_TRY(session.engine, Engine::create(options));
  if (auto profile = load_profile(profile_path(session.engine->fingerprint())))
    session.profile = std::move(profile).value();
  else
    session.note =
        profile.error().code == ErrorCode::kNotFound
            ? "this machine was not measured yet; `lacuna probe` makes predictions better"
            : profile.error().message + "; `lacuna probe` makes a new one";
  return session;
}

std::string problem_text(const Problem& problem) {
  const auto layout = [](Layout l) { return l == Layout::kRowMajor ? "row" : "col"; };
  std::string text = fmt::format(
      "{}{} n {}, B {}-major, C {}-major", to_text(problem.op),
      problem.types == ElementTypes::kF32 ? std::string()
                                          : fmt::format(" of {},", to_text(problem.types)),
      planning_n(problem), layout(problem.layout_b), layout(problem.layout_c));
  if (!problem.epilogue.is_none()) text += fmt::format(", {}", to_text(problem.epilogue));
  if (problem.accumulate) text += ", accumulate";
  return text;
}

std::string mask_text(const Mask& mask) {
  return mask_text(mask, find_nm_pattern(mask));
}

std::string mask_text(const Mask& mask, const std::optional<NmPattern>& pattern) {
  return fmt::format("{} x {}, {} nonzeros, density {:.4g}{}", mask.m(), mask.k(), mask.nnz(),
                     mask.density(), pattern ? ", " + to_text(*pattern) : "");
}

double useful_flops(const PlanRequest& request) {
  double flops = 0;
  for (const Problem& problem : request.problems)
    flops +=
        2.0 * static_cast<double>(request.mask->nnz()) * static_cast<double>(planning_n(problem));
  return flops;
}

}  // namespace lacuna::cli
