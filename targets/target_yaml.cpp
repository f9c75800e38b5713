// SPDX-License-Identifier: Apache-2.0
#include "targets/target_yaml.h"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <exception>
#include <filesystem>
#include <fmt/format.h>
#include <limits>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "targets/base/fields.h"
#include "targets/base/file.h"
#include "targets/base/result.h"
#include "targets/base/text.h"
#include "targets/target.h"
#include "targets/target_check.h"

namespace lacuna {
namespace {

constexpr std::int64_t kSchema = 1;

std::int64_t size_unit(char suffix) {
  switch (suffix) {
    case 'K':
      return std::int64_t{1} << 10;
    case 'M':
      return std::int64_t{1} << 20;
    case 'G':
      return std::int64_t{1} << 30;
    default:
      return 0;
  }
}

// "48K", "2M", "32768".
std::optional<std::int64_t> parse_size(std::string_view text) {
  const std::int64_t unit = text.empty() ? 0 : size_unit(text.back());
  if (unit == 0) return parse_digits(text);
  const auto count = parse_digits(text.substr(0, text.size() - 1));
  if (!count || *count > std::numeric_limits<std::int64_t>::max() / unit) return std::nullopt;
  return *count * unit;
}

std::optional<std::int64_t> parse_integer(std::string_view text) {
  const bool negative = cut_prefix(text, "-");
  const auto magnitude = parse_digits(text);
  return magnitude && negative ? std::optional(-*magnitude) : magnitude;
}

std::optional<double> parse_number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// Reads one file's root node. Remembers the line of each key, so that a fault found later still has one.
class TargetReader {
 public:
  explicit TargetReader(std::string_view file_name) : file_name_(file_name) {}

  [[nodiscard]] Result<Target> read(const YAML::Node& root) {
    if (!root.IsMap()) return fail(line_of(root), "expected keys and values, as in `name: zen4`");
    LACUNA_TRY_VOID(check_required(root));
    Target target;
    LACUNA_TRY_VOID(read_fields(root, "", target));
    std::ranges::sort(target.features);
    if (const auto fault = check_target(target)) return fail(*fault);
    return target;
  }

  [[nodiscard]] tl::unexpected<Error> fail(int line, std::string_view message) const {
    return make_error(ErrorCode::kInvalidFile, "{}:{}: {}", file_name_, line, message);
  }

 private:
  static int line_of(const YAML::Node& node) { return std::max(0, node.Mark().line) + 1; }

  [[nodiscard]] tl::unexpected<Error> fail(int line, std::string_view key,
                                           std::string_view message) const {
    return fail(line, fmt::format("{}: {}", key, message));
  }
  // A fault of a key that the file leaves out is shown at the section it belongs to.
  [[nodiscard]] tl::unexpected<Error> fail(const TargetFault& fault) const {
    auto line = lines_.find(fault.key);
    if (line == lines_.end()) line = lines_.find(fault.key.substr(0, fault.key.find('.')));
    return fail(line == lines_.end() ? 1 : line->second, fault.key, fault.message);
  }

  [[nodiscard]] Result<> check_required(const YAML::Node& root) const {
    for (const char* key : {"schema", "name", "isa", "vector_bits"})
      if (!root[key].IsDefined()) return fail(line_of(root), key, "required key is missing");
    const YAML::Node schema = root["schema"];
    if (!schema.IsScalar() || parse_integer(schema.Scalar()) != kSchema)
      return fail(line_of(schema), "schema", fmt::format("must be {}", kSchema));
    return {};
  }

  template <class T>
  [[nodiscard]] Result<> read_fields(const YAML::Node& map, const std::string& prefix, T& value) {
    for (const auto& entry : map) {
      if (!entry.first.IsScalar()) return fail(line_of(entry.first), "a key must be a plain word");
      const std::string& name = entry.first.Scalar();
      const std::string key = prefix + name;
      if (!lines_.emplace(key, line_of(entry.first)).second)
        return fail(line_of(entry.first), key, "is given twice");
      if (key == "schema") continue;  // checked before
      bool known = false;
      Result<> status;
      T::for_each_field(value, [&](const char* field_name, auto& field) {
        if (name != field_name) return;
        known = true;
        status = read_value(entry.second, key, field);
      });
      if (!status) return status;
      if (!known)
        return fail(
            line_of(entry.first), key,
            fmt::format("unknown key, allowed are: {}", field_names(value, prefix.empty())));
    }
    return {};
  }

  template <class T>
  [[nodiscard]] static std::string field_names(const T& value, bool top_level) {
    std::string names = top_level ? "schema" : "";
    T::for_each_field(value, [&](const char* name, const auto&) {
      names += (names.empty() ? "" : ", ") + std::string(name);
    });
    return names;
  }

  template <class T>
  [[nodiscard]] Result<> read_value(const YAML::Node& node, const std::string& key, T& value) {
    if constexpr (HasFields<T>) {
      if (!node.IsMap()) return fail(lines_[key], key, "expected keys and values");
      return read_fields(node, key + ".", value);
    } else if constexpr (fields_detail::IsVector<T>::value) {
      if (!node.IsSequence()) return fail(lines_[key], key, "expected a list, as in [avx2, fma]");
      for (const auto& item : node) {
        typename T::value_type element{};
        LACUNA_TRY_VOID(read_value(item, key, element));
        value.push_back(std::move(element));
      }
      return {};
    } else if constexpr (NamedEnum<T>) {
      if (!node.IsScalar()) return fail(lines_[key], key, "expected one word");
      auto parsed = parse_enum<T>(node.Scalar());
      if (!parsed) return fail(lines_[key], key, parsed.error().message);
      value = *parsed;
      return {};
    } else if constexpr (std::is_same_v<T, std::string>) {
      if (!node.IsScalar()) return fail(lines_[key], key, "expected a string");
      value = node.Scalar();
      return {};
    } else {
      return read_number(node, key, value);
    }
  }

  template <class T>
  [[nodiscard]] Result<> read_number(const YAML::Node& node, const std::string& key, T& value) {
    const bool is_size = key.find("_bytes") != key.npos;
    const char* expected = is_size                       ? "expected a size, as in 48K, 2M or 32768"
                           : std::is_floating_point_v<T> ? "expected a number"
                                                         : "expected an integer";
    // yaml-cpp gives quoted scalars the tag "!": those are strings.
    if (!node.IsScalar() || node.Tag() == "!") return fail(lines_[key], key, expected);
    const std::string& text = node.Scalar();
    const auto parsed = [&] {
      if constexpr (std::is_floating_point_v<T>)
        return parse_number(text);
      else
        return is_size ? parse_size(text) : parse_integer(text);
    }();
    if (!parsed) return fail(lines_[key], key, fmt::format("'{}': {}", text, expected));
    if (const auto fault = check_range(key, static_cast<double>(*parsed))) return fail(*fault);
    value = static_cast<T>(*parsed);
    return {};
  }

  std::string file_name_;
  std::map<std::string, int> lines_;
};

// Sees the first document go by. YAML::Load alone would accept a file whose end it cannot make sense of, and
// YAML::LoadAll (0.7) never returns on some of those.
class LineRecorder final : public YAML::EventHandler {
 public:
  using Anchor = YAML::anchor_t;
  using Style = YAML::EmitterStyle::value;

  [[nodiscard]] int last_line() const { return last_line_; }
  void OnDocumentStart(const YAML::Mark& mark) override { record(mark); }
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, Anchor) override { record(mark); }
  void OnAlias(const YAML::Mark& mark, Anchor) override { record(mark); }
  void OnScalar(const YAML::Mark& mark, const std::string&, Anchor, const std::string&) override {
    record(mark);
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string&, Anchor, Style) override {
    record(mark);
  }
  void OnSequenceEnd() override {}
  void OnMapStart(const YAML::Mark& mark, const std::string&, Anchor, Style) override {
    record(mark);
  }
  void OnMapEnd() override {}

 private:
  void record(const YAML::Mark& mark) { last_line_ = std::max(last_line_, mark.line + 1); }

  int last_line_ = 1;
};

}  // namespace

Result<Target> parse_target(std::string_view yaml, std::string_view file_name) {
  TargetReader reader(file_name);
  try {
    std::istringstream stream{std::string(yaml)};
    YAML::Parser parser(stream);
    LineRecorder events;
    if (!parser.HandleNextDocument(events)) return reader.fail(1, "the file is empty");
    if (parser)
      return reader.fail(events.last_line(), "the YAML document ends here, but more follows");
    return reader.read(YAML::Load(std::string(yaml)));
  } catch (const YAML::Exception& error) {
    return reader.fail(std::max(0, error.mark.line) + 1,
                       fmt::format("not valid YAML: {}", error.msg));
  } catch (const std::exception& error) {
    return reader.fail(1, fmt::format("not valid YAML: {}", error.what()));
  }
}

Result<Target> load_target(const std::filesystem::path& path) {
  LACUNA_TRY(const std::string text, read_text_file(path));
  return parse_target(text, path.string());
}

}  // namespace lacuna
