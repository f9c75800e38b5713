// SPDX-License-Identifier: Apache-2.0
//
// The options that `tune`, `explain`, `bench` and `generate` share: a mask and the problems on it; and the session
// (engine and machine profile) they run in.
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "runtime/engine.h"
#include "runtime/mask.h"
#include "runtime/nm_pattern.h"
#include "targets/machine_profile.h"

namespace lacuna::cli {

struct RequestOptions {
  std::string mask_path;
  // "MxK:RxC:DENSITY[:zipfEXPONENT][:SEED]" or "MxK:NofM[xV][:SEED]"
  std::string random_mask;
  std::vector<std::string> ops = {"spmm"};
  std::int64_t n = 256;
  std::string layout_b = "row";
  std::string layout_c = "row";
  std::string epilogue = "none";
  std::string types = "f32";
  bool accumulate = false;
  bool exact = false;
  std::string format;
  std::int32_t threads = 0;  // 0 = OpenMP's default
};

// Adds MASK, --random, --op, --n, --layout-b, --layout-c, --epilogue, --accumulate, --types, --exact, --format,
// --threads.
void add_request_options(CLI::App& verb, RequestOptions& options);

// Only the options that decide a kernel's code: --op, --layout-b, --layout-c, --epilogue, --accumulate, --types, --format.
void add_kernel_options(CLI::App& verb, RequestOptions& options);

// A mask with the request that points to it.
struct LoadedRequest {
  std::unique_ptr<const Mask> mask;
  PlanRequest request;
  std::string mask_name;
};

// Loads or makes the mask and checks everything. The epilogue belongs to the first operation.
// Errors: those of load_mask; kInvalidArgument naming the option.
[[nodiscard]] Result<LoadedRequest> make_request(const RequestOptions& options,
                                                 const Target& target,
                                                 std::int32_t default_threads);

// One problem per operation of the options, for an M x K matrix. m, k may be 0.
[[nodiscard]] Result<std::vector<Problem>> make_problems(const RequestOptions& options,
                                                         std::int64_t m, std::int64_t k);

// "1024x1024:16x16:0.1[:zipf1][:7]" or "1024x1024:2of4[x8][:7]". Errors: kInvalidArgument.
[[nodiscard]] Result<Mask> make_random_mask(const std::string& text);

struct Session {
  std::unique_ptr<Engine> engine;
  std::optional<MachineProfile> profile;
  std::string note;  // "no machine profile ...", or empty

  [[nodiscard]] const MachineProfile* profile_or_null() const {
    return profile ? &*profile : nullptr;
  }
};
// The engine of this host with its profile, if there is one. threads: 0 = OpenMP's default.
[[nodiscard]] Result<Session> open_session(std::int32_t threads);

// "spmm of bf16, n 256, B row-major, C row-major, bias_relu".
[[nodiscard]] std::string problem_text(const Problem& problem);
// "1024 x 1024, 104858 nonzeros, density 0.1"; ", 2:4" follows if each group of each row has so many.
[[nodiscard]] std::string mask_text(const Mask& mask);
// The same with what find_nm_pattern says of the mask.
[[nodiscard]] std::string mask_text(const Mask& mask, const std::optional<NmPattern>& pattern);
// 2 nnz N of all problems: the useful work of one call of each.
[[nodiscard]] double useful_flops(const PlanRequest& request);

}  // namespace lacuna::cli
