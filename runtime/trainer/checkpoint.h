// SPDX-License-Identifier: Apache-2.0
//
// Checkpoint: everything a run needs to go on bit for bit, and its file.
//
// Weights are kept in canonical order (block_mask.h), so a checkpoint is independent of formats and machines; a resumed
// run is bit-identical to an uninterrupted one as long as the kernels are the same, which the stored names tell.
// File: magic "LACUNACK", version u32, header length u32, header JSON, the arrays of each layer (mask flags, weights,
// their velocity, bias, its velocity), XXH3-128 of all that. Little-endian.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/trainer/block_mask.h"
#include "runtime/trainer/recipe.h"
#include "targets/base/result.h"

namespace lacuna::trainer {

struct LayerState {
  BlockMask mask;
  std::vector<std::string> kernels;
  std::vector<float> weights, weights_velocity;  // mask.nnz() each
  std::vector<float> bias, bias_velocity;        // mask.m each

  bool operator==(const LayerState&) const = default;
};

struct Checkpoint {
  Recipe recipe;
  std::int64_t epoch = 0;  // complete epochs
  std::int64_t step = 0;   // complete steps of the epoch begun
  double loss_sum = 0;     // over the images of those steps
  std::int64_t correct = 0;
  std::vector<LayerState> layers;

  bool operator==(const Checkpoint&) const = default;
};

[[nodiscard]] std::vector<std::byte> to_bytes(const Checkpoint& checkpoint);
// Errors: kInvalidFile: not a checkpoint, another version, truncated, checksum wrong, or sizes that do not fit.
// `name` appears in messages.
[[nodiscard]] Result<Checkpoint> parse_checkpoint(std::span<const std::byte> bytes,
                                                  std::string_view name);

// Atomic: a reader or a killed writer leaves the old file or the new one. Errors: kIo.
[[nodiscard]] Result<> store_checkpoint(const std::filesystem::path& path,
                                        const Checkpoint& checkpoint);
// Errors: kNotFound, kIo, and those of parse_checkpoint.
[[nodiscard]] Result<Checkpoint> load_checkpoint(const std::filesystem::path& path);

}  // namespace lacuna::trainer
