// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/checkpoint.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/trainer/recipe.h"
#include "targets/base/fields.h"
#include "targets/base/file.h"
#include "targets/base/hash.h"
#include "targets/base/result.h"

namespace lacuna::trainer {
namespace {

static_assert(std::endian::native == std::endian::little,
              "checkpoints are written as they lie in memory");

constexpr std::string_view kMagic = "LACUNACK";
constexpr std::uint32_t kVersion = 1;
constexpr std::size_t kHashBytes = 16;

// What the header says of one layer; it fixes the sizes of the arrays.
struct LayerHeader {
  std::int64_t m = 0, k = 0;
  std::int32_t r = 1, c = 1;
  std::int64_t nnz = 0;
  std::vector<std::string> kernels;

  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("m", self.m);
    visit("k", self.k);
    visit("r", self.r);
    visit("c", self.c);
    visit("nnz", self.nnz);
    visit("kernels", self.kernels);
  }
};

struct Header {
  Recipe recipe;
  std::int64_t epoch = 0, step = 0;
  double loss_sum = 0;
  std::int64_t correct = 0;
  std::vector<LayerHeader> layers;

  template <class Self, class Visit>
  static constexpr void for_each_field(Self& self, Visit&& visit) {
    visit("recipe", self.recipe);
    visit("epoch", self.epoch);
    visit("step", self.step);
    visit("loss_sum", self.loss_sum);
    visit("correct", self.correct);
    visit("layers", self.layers);
  }
};

template <class T>
void append(std::vector<std::byte>& out, std::span<const T> values) {
  const std::size_t before = out.size();
  out.resize(before + values.size_bytes());
  if (!values.empty()) std::memcpy(out.data() + before, values.data(), values.size_bytes());
}

template <class T>
void append_scalar(std::vector<std::byte>& out, T value) {
  append(out, std::span<const T>(&value, 1));
}

// Takes values from the front of a span; a span that is too short is remembered, not read.
class Reader {
 public:
  explicit Reader(std::span<const std::byte> bytes) : bytes_(bytes) {}

  [[nodiscard]] std::span<const std::byte> take(std::size_t count) {
    if (count > bytes_.size()) {
      failed_ = true;
      return {};
    }
    const auto front = bytes_.first(count);
    bytes_ = bytes_.subspan(count);
    return front;
  }
  template <class T>
  void read(T& value) {
    const auto front = take(sizeof value);
    if (!front.empty()) std::memcpy(&value, front.data(), sizeof value);
  }
  template <class T>
  void read(std::vector<T>& values, std::size_t count) {
    if (count > bytes_.size() / sizeof(T)) {
      failed_ = true;
      return;
    }
    const auto front = take(count * sizeof(T));
    values.resize(count);
    if (count > 0) std::memcpy(values.data(), front.data(), front.size());
  }
  [[nodiscard]] bool failed() const { return failed_; }
  [[nodiscard]] bool at_end() const { return bytes_.empty(); }

 private:
  std::span<const std::byte> bytes_;
  bool failed_ = false;
};

void append_hash(std::vector<std::byte>& out) {
  const Hash128 hash = hash_bytes(out);
  append_scalar(out, hash.high);
  append_scalar(out, hash.low);
}

bool sane(const LayerHeader& layer) {
  constexpr std::int64_t kMaxSide = std::int64_t{1} << 24;
  constexpr std::int32_t kMaxBlock = 64;
  return layer.m >= 1 && layer.m <= kMaxSide && layer.k >= 1 && layer.k <= kMaxSide &&
         layer.r >= 1 && layer.r <= kMaxBlock && layer.c >= 1 && layer.c <= kMaxBlock &&
         layer.nnz >= 0 && layer.nnz <= layer.m * layer.k;
}

Result<LayerState> read_layer(Reader& reader, const LayerHeader& header) {
  if (!sane(header)) return make_error(ErrorCode::kInvalidFile, "a layer's sizes are out of range");
  LayerState layer;
  layer.mask = {.m = header.m, .k = header.k, .r = header.r, .c = header.c, .flags = {}};
  layer.kernels = header.kernels;
  const auto nnz = static_cast<std::size_t>(header.nnz);
  const auto units = static_cast<std::size_t>(header.m);
  reader.read(layer.mask.flags,
              static_cast<std::size_t>(layer.mask.block_rows() * layer.mask.block_columns()));
  reader.read(layer.weights, nnz);
  reader.read(layer.weights_velocity, nnz);
  reader.read(layer.bias, units);
  reader.read(layer.bias_velocity, units);
  if (reader.failed()) return make_error(ErrorCode::kInvalidFile, "truncated inside a layer");
  if (layer.mask.nnz() != header.nnz)
    return make_error(ErrorCode::kInvalidFile, "a layer's mask has {} weights, not the {} declared",
                      layer.mask.nnz(), header.nnz);
  return layer;
}

Result<Checkpoint> read_checkpoint(std::span<const std::byte> bytes) {
  if (bytes.size() < kMagic.size() || std::memcmp(bytes.data(), kMagic.data(), kMagic.size()) != 0)
    return make_error(ErrorCode::kInvalidFile, "not a checkpoint of Lacuna");
  Reader reader(bytes.subspan(kMagic.size()));
  std::uint32_t version = 0;
  std::uint32_t header_bytes = 0;
  reader.read(version);
  if (!reader.failed() && version != kVersion)
    return make_error(ErrorCode::kInvalidFile, "version {} is not {}", version, kVersion);
  if (bytes.size() < kMagic.size() + 2 * sizeof(std::uint32_t) + kHashBytes)
    return make_error(ErrorCode::kInvalidFile, "truncated: {} bytes", bytes.size());
  Hash128 stored;
  Reader tail(bytes.last(kHashBytes));
  tail.read(stored.high);
  tail.read(stored.low);
  const auto covered = bytes.first(bytes.size() - kHashBytes);
  if (hash_bytes(covered) != stored)
    return make_error(ErrorCode::kInvalidFile,
                      "the checksum does not match: the file is damaged or truncated");
  reader = Reader(covered.subspan(kMagic.size() + sizeof version));
  reader.read(header_bytes);
  const auto text = reader.take(header_bytes);
  const auto json = nlohmann::json::parse(reinterpret_cast<const char*>(text.data()),
                                          reinterpret_cast<const char*>(text.data()) + text.size(),
                                          nullptr, false);
  if (reader.failed() || json.is_discarded())
    return make_error(ErrorCode::kInvalidFile, "the header is malformed");
  Header header;
  LACUNA_TRY_VOID(from_json_value(json, header));
  Checkpoint checkpoint{.recipe = header.recipe,
                        .epoch = header.epoch,
                        .step = header.step,
                        .loss_sum = header.loss_sum,
                        .correct = header.correct,
                        .layers = {}};
  for (const LayerHeader& layer : header.layers) {
    LACUNA_TRY(LayerState state, read_layer(reader, layer));
    checkpoint.layers.push_back(std::move(state));
  }
  if (!reader.at_end())
    return make_error(ErrorCode::kInvalidFile, "there are bytes after the last layer");
  return checkpoint;
}

}  // namespace

std::vector<std::byte> to_bytes(const Checkpoint& checkpoint) {
  Header header{.recipe = checkpoint.recipe,
                .epoch = checkpoint.epoch,
                .step = checkpoint.step,
                .loss_sum = checkpoint.loss_sum,
                .correct = checkpoint.correct,
                .layers = {}};
  for (const LayerState& layer : checkpoint.layers)
    header.layers.push_back({layer.mask.m, layer.mask.k, layer.mask.r, layer.mask.c,
                             static_cast<std::int64_t>(layer.weights.size()), layer.kernels});
  // Folders need not be UTF-8, JSON must be; nothing compares or reads the recipe's paths again.
  const std::string text =
      to_json_value(header).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
  std::vector<std::byte> out;
  append(out, std::span(kMagic));
  append_scalar(out, kVersion);
  append_scalar(out, static_cast<std::uint32_t>(text.size()));
  append(out, std::span<const char>(text));
  for (const LayerState& layer : checkpoint.layers) {
    append(out, std::span<const std::uint8_t>(layer.mask.flags));
    append(out, std::span<const float>(layer.weights));
    append(out, std::span<const float>(layer.weights_velocity));
    append(out, std::span<const float>(layer.bias));
    append(out, std::span<const float>(layer.bias_velocity));
  }
  append_hash(out);
  return out;
}

Result<Checkpoint> parse_checkpoint(std::span<const std::byte> bytes, std::string_view name) {
  auto checkpoint = read_checkpoint(bytes);
  if (!checkpoint) return add_context(name, std::move(checkpoint).error());
  return checkpoint;
}

Result<> store_checkpoint(const std::filesystem::path& path, const Checkpoint& checkpoint) {
  return write_file_atomic(path, to_bytes(checkpoint));
}

Result<Checkpoint> load_checkpoint(const std::filesystem::path& path) {
  LACUNA_TRY(const auto bytes, read_file(path));
  return parse_checkpoint(bytes, path.string());
}

}  // namespace lacuna::trainer
