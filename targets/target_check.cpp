// SPDX-License-Identifier: Apache-2.0
#include "targets/target_check.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>

#include "targets/base/fields.h"
#include "targets/target.h"

namespace lacuna {
namespace {

constexpr double kKiB = 1024;
constexpr double kMiB = 1024 * kKiB;
constexpr double kGiB = 1024 * kMiB;

// Wide enough for any machine of the next years, narrow enough to catch a wrong unit.
constexpr std::array kRanges = {
    FieldRange{"vector_bits", 0, 512},
    FieldRange{"vector_registers", 8, 255},
    FieldRange{"pipes.fma_per_cycle", 0.125, 16},
    FieldRange{"pipes.dot_bf16_per_cycle", 0.125, 16},
    FieldRange{"pipes.load_per_cycle", 0.125, 16},
    FieldRange{"pipes.broadcast_per_cycle", 0.125, 16},
    FieldRange{"pipes.store_per_cycle", 0.125, 16},
    FieldRange{"pipes.fma_latency", 1, 64},
    FieldRange{"caches.l1d_bytes", 4 * kKiB, 4 * kMiB},
    FieldRange{"caches.l2_bytes", 0, kGiB},
    FieldRange{"caches.l3_bytes", 0, 16 * kGiB},
    FieldRange{"caches.line_bytes", 16, 256},
    FieldRange{"code_limit_bytes", 4 * kKiB, 16 * kMiB},
    FieldRange{"gpu.compute_capability", 0, 999},
    FieldRange{"gpu.sm_count", 0, 1024},
    FieldRange{"gpu.shared_bytes_per_sm", 0, 4 * kMiB},
    FieldRange{"gpu.registers_per_sm", 0, 1048576},
    FieldRange{"gpu.max_threads_per_sm", 0, 8192},
};

// A test compares this with what host probing may report.
constexpr std::array<std::string_view, 19> kX86Features = {
    "amx-bf16", "amx-int8", "amx-tile", "avx",        "avx2",       "avx512bf16", "avx512bw",
    "avx512cd", "avx512dq", "avx512f",  "avx512fp16", "avx512vbmi", "avx512vl",   "avx512vnni",
    "avxvnni",  "bmi",      "bmi2",     "f16c",       "fma"};
constexpr std::array<std::string_view, 7> kAarch64Features = {"bf16", "dotprod", "fullfp16", "i8mm",
                                                              "neon", "sve",     "sve2"};

std::string print_limit(std::string_view key, double value) {
  const bool is_size = key.find("_bytes") != key.npos;
  if (is_size && value >= kGiB) return fmt::format("{}G", value / kGiB);
  if (is_size && value >= kMiB) return fmt::format("{}M", value / kMiB);
  if (is_size && value >= kKiB) return fmt::format("{}K", value / kKiB);
  return fmt::format("{}", value);
}

template <class T>
std::optional<TargetFault> check_ranges(const std::string& prefix, const T& value) {
  std::optional<TargetFault> fault;
  T::for_each_field(value, [&](const char* name, const auto& field) {
    using Field = std::remove_cvref_t<decltype(field)>;
    if (fault) return;
    if constexpr (HasFields<Field>)
      fault = check_ranges(prefix + name + ".", field);
    else if constexpr (std::is_arithmetic_v<Field>)
      fault = check_range(prefix + name, static_cast<double>(field));
  });
  return fault;
}

std::optional<TargetFault> check_name(const std::string& name) {
  constexpr std::size_t kMaxLength = 64;
  const bool legal = name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == name.npos;
  if (name.empty() || name.size() > kMaxLength || !legal)
    return TargetFault{"name", fmt::format("'{}' is not 1 to {} characters of a-z, 0-9, _ and -",
                                           name, kMaxLength)};
  if (name == "host") return TargetFault{"name", "'host' is the name of the probed machine"};
  return std::nullopt;
}

std::optional<TargetFault> check_features(const Target& target) {
  const auto known = known_features(target.isa);
  for (const std::string& feature : target.features) {
    if (std::ranges::find(known, feature) == known.end())
      return TargetFault{
          "features", known.empty()
                          ? fmt::format("'{}': {} targets have none", feature, to_text(target.isa))
                          : fmt::format("'{}' is not one of: {}", feature, fmt::join(known, ", "))};
    if (std::ranges::count(target.features, feature) > 1)
      return TargetFault{"features", fmt::format("'{}' is listed twice", feature)};
  }
  return std::nullopt;
}

std::optional<TargetFault> require_features(const Target& target,
                                            std::span<const std::string_view> needed) {
  for (const std::string_view feature : needed)
    if (!target.has_feature(feature))
      return TargetFault{"features",
                         fmt::format("vector_bits {} needs {}", target.vector_bits, feature)};
  return std::nullopt;
}

std::optional<TargetFault> check_vectors(const Target& target) {
  constexpr std::array<std::int32_t, 2> kX86Bits = {256, 512};
  constexpr std::array<std::int32_t, 2> kAarch64Bits = {0, 128};
  constexpr std::array<std::int32_t, 1> kCudaBits = {128};
  constexpr std::array<std::string_view, 3> kNeededBy256 = {"avx", "avx2", "fma"};
  constexpr std::array<std::string_view, 7> kNeededBy512 = {
      "avx", "avx2", "avx512bw", "avx512dq", "avx512f", "avx512vl", "fma"};
  constexpr std::array<std::string_view, 1> kNeededByScalable = {"sve"};
  const auto check_bits = [&](std::span<const std::int32_t> allowed) -> std::optional<TargetFault> {
    if (std::ranges::find(allowed, target.vector_bits) != allowed.end()) return std::nullopt;
    return TargetFault{"vector_bits",
                       fmt::format("{} is not one of, for {}: {}", target.vector_bits,
                                   to_text(target.isa), fmt::join(allowed, ", "))};
  };
  switch (target.isa) {
    case Isa::kX86_64:
      if (auto fault = check_bits(kX86Bits)) return fault;
      return target.vector_bits == 512 ? require_features(target, kNeededBy512)
                                       : require_features(target, kNeededBy256);
    case Isa::kAarch64:
      if (auto fault = check_bits(kAarch64Bits)) return fault;
      return target.vector_bits == 0 ? require_features(target, kNeededByScalable) : std::nullopt;
    case Isa::kCuda:
      return check_bits(kCudaBits);
  }
  return std::nullopt;
}

std::optional<TargetFault> check_registers(const Target& target) {
  const std::int32_t limit = target.isa != Isa::kX86_64 ? 255 : target.vector_bits == 512 ? 32 : 16;
  if (target.isa == Isa::kAarch64 && target.vector_registers != 32)
    return TargetFault{"vector_registers",
                       fmt::format("{}: aarch64 has 32", target.vector_registers)};
  if (target.vector_registers > limit)
    return TargetFault{"vector_registers",
                       fmt::format("{} is not from 8 to {} with {}-bit vectors",
                                   target.vector_registers, limit, target.vector_bits)};
  return std::nullopt;
}

std::optional<TargetFault> check_gpu(const Target& target) {
  constexpr std::int32_t kOldest = 50;
  const GpuLimits& gpu = target.gpu;
  if (target.isa != Isa::kCuda) {
    if (gpu == GpuLimits{}) return std::nullopt;
    return TargetFault{"gpu",
                       fmt::format("only CUDA targets have it, not {}", to_text(target.isa))};
  }
  if (gpu.compute_capability < kOldest)
    return TargetFault{"gpu.compute_capability",
                       fmt::format("{} is not from {} to 999", gpu.compute_capability, kOldest)};
  std::optional<TargetFault> fault;
  GpuLimits::for_each_field(gpu, [&](const char* name, const auto& field) {
    if (!fault && field == 0)
      fault = TargetFault{fmt::format("gpu.{}", name), "0 is not allowed on a CUDA target"};
  });
  return fault;
}

std::optional<TargetFault> check_cpu_name(const Target& target) {
  if (target.isa == Isa::kCuda && !target.llvm_cpu.empty())
    return TargetFault{"llvm_cpu", "CUDA targets have none"};
  if (target.isa != Isa::kCuda && target.llvm_cpu.empty())
    return TargetFault{"llvm_cpu", "must name LLVM's processor, for example x86-64-v3"};
  const bool legal = target.llvm_cpu.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_.-") ==
                     std::string::npos;
  if (!legal)
    return TargetFault{"llvm_cpu",
                       fmt::format("'{}' is not of a-z, 0-9, _, . and -", target.llvm_cpu)};
  return std::nullopt;
}

std::optional<TargetFault> check_line(const Target& target) {
  const auto line = target.caches.line_bytes;
  if ((line & (line - 1)) == 0) return std::nullopt;
  return TargetFault{"caches.line_bytes", fmt::format("{} is not a power of two", line)};
}

}  // namespace

std::span<const FieldRange> target_ranges() {
  return kRanges;
}

std::optional<TargetFault> check_range(const std::string& key, double value) {
  const auto range = std::ranges::find(kRanges, key, &FieldRange::key);
  if (range == kRanges.end()) return std::nullopt;
  if (value >= range->min && value <= range->max) return std::nullopt;
  return TargetFault{key, fmt::format("{} is not from {} to {}", value,
                                      print_limit(key, range->min), print_limit(key, range->max))};
}

std::optional<TargetFault> check_target(const Target& target) {
  if (auto fault = check_ranges("", target)) return fault;
  for (const auto check :
       {check_vectors, check_registers, check_features, check_cpu_name, check_gpu, check_line})
    if (auto fault = check(target)) return fault;
  return check_name(target.name);
}

std::span<const std::string_view> known_features(Isa isa) {
  switch (isa) {
    case Isa::kX86_64:
      return kX86Features;
    case Isa::kAarch64:
      return kAarch64Features;
    case Isa::kCuda:
      return {};
  }
  return {};
}

}  // namespace lacuna
