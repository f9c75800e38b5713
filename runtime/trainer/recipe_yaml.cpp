// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <charconv>
#include <cmath>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <yaml-cpp/yaml.h>

#include "runtime/trainer/recipe.h"
#include "targets/base/fields.h"
#include "targets/base/file.h"
#include "targets/base/result.h"

namespace lacuna::trainer {
namespace {

// `open_low`: the lower limit itself is not allowed.
struct Range {
  double low = 0;
  double high = 0;
  bool open_low = false;
  bool open_high = false;

  [[nodiscard]] bool holds(double value) const {
    return (open_low ? value > low : value >= low) && (open_high ? value < high : value <= high);
  }
};

std::string to_text(const Range& range) {
  return fmt::format("{}{}, {}{}", range.open_low ? '(' : '[', range.low, range.high,
                     range.open_high ? ')' : ']');
}

// One YAML map: each key is taken at most once; what is left at the end is unknown. The first fault is kept and
// turns all further calls into no-ops, so that a section reads as a plain list of keys.
class Section {
 public:
  Section(const YAML::Node& node, std::string file, std::string path)
      : node_(node), file_(std::move(file)), path_(std::move(path)) {
    if (!node.IsMap()) {
      fail(node, path_.empty() ? "recipe" : path_, "must be a map of keys");
      return;
    }
    for (const auto& item : node) {
      if (!item.first.IsScalar()) {
        fail(item.first, path_.empty() ? "recipe" : path_, "keys must be words");
      } else if (!keys_.insert(item.first.Scalar()).second) {
        fail(item.first, full(item.first.Scalar()), "appears twice");
      }
    }
  }

  [[nodiscard]] bool has(const std::string& key) const { return !error_ && keys_.contains(key); }
  // Marks `key` as known and gives its node; nothing if it is missing or a fault was found before.
  std::optional<YAML::Node> take(const std::string& key) {
    known_.push_back(key);
    if (!has(key)) return std::nullopt;
    for (const auto& item : node_)
      if (item.first.Scalar() == key) return item.second;
    return std::nullopt;
  }

  void require(const std::string& key) {
    if (!error_ && !keys_.contains(key)) fail(node_, full(key), "is missing");
  }

  template <std::integral T>
  void read(const std::string& key, T& value, Range range) {
    const auto node = take(key);
    if (!node) return;
    T parsed = 0;
    if (!parse_scalar(*node, parsed) || !range.holds(static_cast<double>(parsed)))
      return fail(*node, full(key),
                  fmt::format("{} is not an integer in {}", shown(*node), to_text(range)));
    value = parsed;
  }

  void read(const std::string& key, double& value, Range range) {
    const auto node = take(key);
    if (!node) return;
    double parsed = 0;
    if (!parse_scalar(*node, parsed) || !std::isfinite(parsed) || !range.holds(parsed))
      return fail(*node, full(key),
                  fmt::format("{} is not a number in {}", shown(*node), to_text(range)));
    value = parsed;
  }

  void read(const std::string& key, std::string& value) {
    const auto node = take(key);
    if (!node) return;
    if (!node->IsScalar() || node->Scalar().empty())
      return fail(*node, full(key), "must be a word or a path");
    value = node->Scalar();
  }

  template <NamedEnum E>
  void read(const std::string& key, E& value) {
    const auto node = take(key);
    if (!node) return;
    auto parsed = parse_enum<E>(node->IsScalar() ? node->Scalar() : shown(*node));
    if (!parsed) return fail(*node, full(key), parsed.error().message);
    value = *parsed;
  }

  void fail(const YAML::Node& node, const std::string& key, std::string_view what) {
    if (!error_)
      error_ = fmt::format("{}:{}: {}: {}", file_, std::max(node.Mark().line, 0) + 1, key, what);
  }
  void fail_key(const std::string& key, std::string_view what) {
    if (const auto node = take(key)) fail(*node, full(key), what);
  }

  // The first fault: of a key, else a key nobody took.
  [[nodiscard]] Result<> finish() {
    if (!error_)
      for (const auto& item : node_)
        if (std::find(known_.begin(), known_.end(), item.first.Scalar()) == known_.end())
          fail(item.first, full(item.first.Scalar()),
               "unknown key; known: " + fmt::format("{}", fmt::join(known_, ", ")));
    if (error_) return make_error(ErrorCode::kInvalidFile, "{}", *error_);
    return {};
  }

 private:
  template <class T>
  static bool parse_scalar(const YAML::Node& node, T& value) {
    if (!node.IsScalar()) return false;
    const std::string& text = node.Scalar();
    const auto [end, status] = std::from_chars(text.data(), text.data() + text.size(), value);
    return status == std::errc() && end == text.data() + text.size();
  }
  static std::string shown(const YAML::Node& node) {
    if (node.IsScalar()) return fmt::format("'{}'", node.Scalar());
    return node.IsMap() ? "a map" : node.IsSequence() ? "a list" : "nothing";
  }
  [[nodiscard]] std::string full(const std::string& key) const {
    return path_.empty() ? key : path_ + "." + key;
  }

  YAML::Node node_;
  std::string file_;
  std::string path_;
  std::set<std::string> keys_;
  std::vector<std::string> known_;
  std::optional<std::string> error_;
};

constexpr double kMaxUnits = 1 << 20;
constexpr double kMaxBlock = 64;

// "32x32": r output units by c inputs.
bool parse_block(std::string_view text, LayerSpec& layer) {
  const char* const end = text.data() + text.size();
  const auto [middle, status] =
      std::from_chars(text.data(), text.data() + text.size(), layer.block_r);
  if (status != std::errc() || middle == end || *middle != 'x') return false;
  const auto [last, second] = std::from_chars(middle + 1, end, layer.block_c);
  return second == std::errc() && last == end && layer.block_r >= 1 && layer.block_r <= kMaxBlock &&
         layer.block_c >= 1 && layer.block_c <= kMaxBlock;
}

Result<LayerSpec> read_layer(const YAML::Node& node, const std::string& file,
                             const std::string& path) {
  Section section(node, file, path);
  LayerSpec layer;
  section.require("units");
  section.require("kind");
  section.read("units", layer.units, {.low = 1, .high = kMaxUnits});
  section.read("kind", layer.kind);
  if (layer.kind == LayerKind::kSparse) {
    section.require("density");
    section.require("block");
    section.fail_key("backend", "is for dense layers; a sparse layer always runs on lacuna");
  } else {
    section.fail_key("density", "is for sparse layers");
    section.fail_key("block", "is for sparse layers");
  }
  section.read("density", layer.density, {.low = 0, .high = 1, .open_low = true});
  section.read("backend", layer.backend);
  if (const auto block = section.take("block"))
    if (!block->IsScalar() || !parse_block(block->Scalar(), layer))
      section.fail(*block, path + ".block", "must be RxC with R and C in [1, 64], e.g. 32x32");
  LACUNA_TRY_VOID(section.finish());
  return layer;
}

Result<> read_layers(Section& root, const std::string& file, Recipe& recipe) {
  const auto node = root.take("layers");
  if (!node) return {};
  if (!node->IsSequence() || node->size() == 0) {
    root.fail(*node, "layers", "must be a list of at least one layer");
    return {};
  }
  for (std::size_t i = 0; i < node->size(); ++i) {
    LACUNA_TRY(const LayerSpec layer, read_layer((*node)[i], file, fmt::format("layers[{}]", i)));
    recipe.layers.push_back(layer);
  }
  return {};
}

Result<> read_data(Section& root, const std::string& file, DataSpec& data) {
  const auto node = root.take("data");
  if (!node) return {};
  Section section(*node, file, "data");
  section.read("folder", data.folder);
  section.read("train_images", data.train_images);
  section.read("train_labels", data.train_labels);
  section.read("test_images", data.test_images);
  section.read("test_labels", data.test_labels);
  return section.finish();
}

Result<> read_optimizer(Section& root, const std::string& file, OptimizerSpec& optimizer) {
  const auto node = root.take("optimizer");
  if (!node) return {};
  Section section(*node, file, "optimizer");
  section.read("lr", optimizer.lr, {.low = 0, .high = 100, .open_low = true});
  section.read("momentum", optimizer.momentum, {.low = 0, .high = 1, .open_high = true});
  section.read("weight_decay", optimizer.weight_decay, {.low = 0, .high = 1});
  section.read("schedule", optimizer.schedule);
  return section.finish();
}

bool is_name(std::string_view text) {
  return !text.empty() &&
         text.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_-") == std::string_view::npos;
}

Result<Recipe> read_recipe(const YAML::Node& node, const std::string& file) {
  Section root(node, file, "");
  Recipe recipe;
  std::int32_t schema = 1;
  root.require("schema");
  root.require("name");
  root.require("layers");
  root.read("schema", schema, {.low = 1, .high = 1});
  root.read("name", recipe.name);
  if (!is_name(recipe.name)) root.fail_key("name", "must consist of a-z, 0-9, '_' and '-'");
  root.read("seed", recipe.seed, {.low = 0, .high = 0x1p64});
  root.read("epochs", recipe.epochs, {.low = 1, .high = 100000});
  root.read("batch", recipe.batch, {.low = 1, .high = 65536});
  root.read("checkpoint_every", recipe.checkpoint_every, {.low = 0, .high = 100000});
  LACUNA_TRY_VOID(read_data(root, file, recipe.data));
  LACUNA_TRY_VOID(read_optimizer(root, file, recipe.optimizer));
  LACUNA_TRY_VOID(read_layers(root, file, recipe));
  LACUNA_TRY_VOID(root.finish());
  return recipe;
}

}  // namespace

Result<Recipe> parse_recipe(std::string_view yaml, std::string_view file_name) {
  const std::string file(file_name);
  try {
    return read_recipe(YAML::Load(std::string(yaml)), file);
  } catch (const YAML::Exception& error) {
    return make_error(ErrorCode::kInvalidFile, "{}:{}: {}", file, std::max(error.mark.line, 0) + 1,
                      error.msg);
  } catch (const std::exception& error) {
    return make_error(ErrorCode::kInvalidFile, "{}: {}", file, error.what());
  }
}

Result<Recipe> load_recipe(const std::filesystem::path& path) {
  LACUNA_TRY(const std::string text, read_text_file(path));
  return parse_recipe(text, path.string());
}

}  // namespace lacuna::trainer
