// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <span>
#include <vector>

#include "runtime/trainer/checkpoint.h"
#include "targets/base/hash.h"
#include "tests/fuzz/fuzz_target.h"

namespace {

using lacuna::trainer::Checkpoint;

void require(bool condition) {
  if (!condition) std::abort();
}

constexpr std::size_t kHashBytes = 16;

// With the checksum that belongs to the bytes: else no mutation would get past it.
std::vector<std::byte> with_right_checksum(std::span<const std::byte> bytes) {
  std::vector<std::byte> file(bytes.begin(), bytes.end());
  if (file.size() < kHashBytes) return file;
  const auto hash = lacuna::hash_bytes(std::span(file).first(file.size() - kHashBytes));
  std::byte* const tail = file.data() + file.size() - kHashBytes;
  std::memcpy(tail, &hash.high, sizeof hash.high);
  std::memcpy(tail + sizeof hash.high, &hash.low, sizeof hash.low);
  return file;
}

}  // namespace

// The bytes are a checkpoint: an error that names the file, or layers whose arrays fit their masks.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto file = with_right_checksum(std::as_bytes(std::span(data, size)));
  const auto checkpoint = lacuna::trainer::parse_checkpoint(file, "f");
  if (!checkpoint) {
    require(checkpoint.error().message.starts_with("f: "));
    return 0;
  }
  for (const lacuna::trainer::LayerState& layer : checkpoint->layers) {
    const auto nnz = static_cast<std::size_t>(layer.mask.nnz());
    const auto units = static_cast<std::size_t>(layer.mask.m);
    require(layer.weights.size() == nnz && layer.weights_velocity.size() == nnz);
    require(layer.bias.size() == units && layer.bias_velocity.size() == units);
  }
  return 0;
}

std::vector<std::string> fuzz_seeds() {
  Checkpoint checkpoint;
  checkpoint.recipe.name = "run";
  checkpoint.recipe.layers = {{4}};
  checkpoint.epoch = 1;
  checkpoint.layers.push_back({{.m = 4, .k = 6, .r = 2, .c = 3, .flags = {1, 0, 0, 1}},
                               {"kernel"},
                               std::vector<float>(12, 1.0F),
                               std::vector<float>(12, 2.0F),
                               std::vector<float>(4, 3.0F),
                               std::vector<float>(4, 4.0F)});
  const auto bytes = lacuna::trainer::to_bytes(checkpoint);
  return {std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size())};
}
