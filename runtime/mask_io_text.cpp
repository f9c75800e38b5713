// SPDX-License-Identifier: Apache-2.0
// Masks from Matrix Market (math.nist.gov/MatrixMarket/formats.html) and DLMC's .smtx text.
#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <tl/expected.hpp>
#include <utility>
#include <vector>

#include "runtime/mask.h"
#include "runtime/mask_io.h"
#include "targets/base/result.h"

namespace lacuna {
namespace {

constexpr std::string_view kBlanks = " \t\r\v\f";

// Walks a text line by line and knows the number of the line in hand.
class LineReader {
 public:
  LineReader(std::string_view text, std::string_view name) : rest_(text), name_(name) {}

  // The next line without its newline; nothing at the end.
  std::optional<std::string_view> next() {
    if (rest_.empty()) return std::nullopt;
    ++number_;
    const std::size_t end = std::min(rest_.find('\n'), rest_.size());
    ended_ = end < rest_.size();
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    return line;
  }

  // The next line that is neither blank nor (with a comment character) a comment.
  std::optional<std::string_view> next_content(char comment = '\0') {
    while (auto line = next()) {
      const std::size_t first = line->find_first_not_of(kBlanks);
      if (first == std::string_view::npos) continue;
      if (comment != '\0' && (*line)[first] == comment) continue;
      return line;
    }
    return std::nullopt;
  }

  // Whether the line in hand ended with a newline.
  [[nodiscard]] bool ended() const { return ended_; }

  // An error at the line in hand: "a.mtx:3: ...".
  [[nodiscard]] tl::unexpected<Error> fault(const std::string& message) const {
    return make_error(ErrorCode::kInvalidFile, "{}:{}: {}", name_, std::max(number_, 1), message);
  }

 private:
  std::string_view rest_, name_;
  int number_ = 0;
  bool ended_ = true;
};

// Takes the next token off the line; empty at its end.
std::string_view take_token(std::string_view& line, std::string_view separators = kBlanks) {
  line.remove_prefix(std::min(line.find_first_not_of(separators), line.size()));
  const std::string_view token = line.substr(0, line.find_first_of(separators));
  line.remove_prefix(token.size());
  return token;
}

bool parse_integer(std::string_view token, std::int64_t& out) {
  const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), out);
  return error == std::errc{} && end == token.data() + token.size();
}

// All integers of a line; an error names the token that is none.
Result<std::vector<std::int64_t>> parse_integers(const LineReader& reader, std::string_view line,
                                                 std::string_view separators = kBlanks) {
  std::vector<std::int64_t> values;
  for (auto token = take_token(line, separators); !token.empty();
       token = take_token(line, separators)) {
    std::int64_t value = 0;
    if (!parse_integer(token, value)) {
      return reader.fault(fmt::format("'{}' is not an integer", token.substr(0, 40)));
    }
    values.push_back(value);
  }
  return values;
}

// ---- Matrix Market ---------------------------------------------------------------------------------------

struct MarketHeader {
  bool coordinate = false;  // else array
  bool pattern = false;     // no values
  bool symmetric = false;   // lower triangle stored
  std::int64_t m = 0, k = 0, entries = 0;
};

std::string lower_case(std::string_view text) {
  std::string out(text);
  for (char& c : out)
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  return out;
}

Result<MarketHeader> parse_banner(LineReader& reader) {
  const auto line = reader.next();
  std::string_view rest = line.value_or("");
  if (lower_case(take_token(rest)) != "%%matrixmarket" ||
      lower_case(take_token(rest)) != "matrix") {
    return reader.fault("expected '%%MatrixMarket matrix ...'");
  }
  const std::string storage = lower_case(take_token(rest));
  const std::string field = lower_case(take_token(rest));
  const std::string symmetry = lower_case(take_token(rest));
  MarketHeader header{.coordinate = storage == "coordinate",
                      .pattern = field == "pattern",
                      .symmetric = symmetry == "symmetric"};
  if (!header.coordinate && storage != "array") {
    return reader.fault(fmt::format("storage '{}' is not coordinate or array", storage));
  }
  if (field != "real" && field != "integer" && !(header.pattern && header.coordinate)) {
    return reader.fault(fmt::format(
        "field '{}' of {} is not real, integer or pattern (of coordinate)", field, storage));
  }
  if (symmetry != "general" && !header.symmetric) {
    return reader.fault(fmt::format("symmetry '{}' is not general or symmetric", symmetry));
  }
  return header;
}

// The line "m k entries" (coordinate) or "m k" (array).
Result<> parse_sizes(LineReader& reader, MarketHeader& header) {
  const auto line = reader.next_content('%');
  if (!line) return reader.fault("the size line is missing: truncated?");
  LACUNA_TRY(const auto sizes, parse_integers(reader, *line));
  const std::size_t expected = header.coordinate ? 3 : 2;
  if (sizes.size() != expected) {
    return reader.fault(fmt::format("{} sizes, expected {}", sizes.size(), expected));
  }
  header.m = sizes[0];
  header.k = sizes[1];
  if (header.symmetric && header.m != header.k) {
    return reader.fault(fmt::format("a symmetric matrix of {} x {}", header.m, header.k));
  }
  if (header.coordinate) header.entries = sizes[2];
  if (header.entries < 0) return reader.fault(fmt::format("{} entries", header.entries));
  return {};
}

// A value as C writes it, with an optional plus sign.
Result<double> parse_value(const LineReader& reader, std::string_view token) {
  double value = 0;
  std::string_view digits = token;
  if (digits.size() > 1 && digits[0] == '+' && digits[1] != '-') digits.remove_prefix(1);
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
  if (error == std::errc::result_out_of_range) {
    return reader.fault(fmt::format("'{}' is out of range", token.substr(0, 40)));
  }
  if (error != std::errc{} || end != digits.data() + digits.size()) {
    return reader.fault(fmt::format("'{}' is not a number", token.substr(0, 40)));
  }
  if (!std::isfinite(value)) {
    return reader.fault(fmt::format("'{}' is not finite", token.substr(0, 40)));
  }
  return value;
}

// One line "row col [value]", from 1. Stored zeros count.
Result<> parse_entry(const LineReader& reader, std::string_view line, const MarketHeader& header,
                     MaskBuilder& builder) {
  std::int64_t row = 0;
  std::int64_t col = 0;
  std::string_view rest = line;
  if (!parse_integer(take_token(rest), row) || !parse_integer(take_token(rest), col)) {
    return reader.fault(fmt::format("expected row and column, found '{}'", line.substr(0, 40)));
  }
  if (row < 1 || row > header.m || col < 1 || col > header.k) {
    return reader.fault(
        fmt::format("({}, {}) is outside (1, 1) to ({}, {})", row, col, header.m, header.k));
  }
  if (!header.pattern) LACUNA_TRY_VOID(parse_value(reader, take_token(rest)));
  if (const auto extra = take_token(rest); !extra.empty()) {
    return reader.fault(fmt::format("'{}' follows the entry", extra.substr(0, 40)));
  }
  if (header.symmetric && col > row) {
    return reader.fault(
        fmt::format("({}, {}) is above the diagonal of a symmetric matrix", row, col));
  }
  if (!builder.insert(row - 1, col - 1)) {
    return reader.fault(fmt::format("({}, {}) is a duplicate", row, col));
  }
  if (header.symmetric && row != col) builder.insert(col - 1, row - 1);
  return {};
}

Result<> parse_coordinate(LineReader& reader, const MarketHeader& header, MaskBuilder& builder) {
  for (std::int64_t e = 0; e < header.entries; ++e) {
    const auto line = reader.next_content('%');
    if (!line) {
      return reader.fault(fmt::format("the file ends after {} of {} entries", e, header.entries));
    }
    LACUNA_TRY_VOID(parse_entry(reader, *line, header, builder));
  }
  return {};
}

// One value a line, column by column; of a symmetric matrix the lower triangle.
Result<> parse_array(LineReader& reader, const MarketHeader& header, MaskBuilder& builder) {
  for (std::int64_t j = 0; j < header.k; ++j) {
    for (std::int64_t i = header.symmetric ? j : 0; i < header.m; ++i) {
      const auto line = reader.next_content('%');
      if (!line) {
        return reader.fault(fmt::format("the file ends before element ({}, {})", i + 1, j + 1));
      }
      std::string_view rest = *line;
      LACUNA_TRY(const double value, parse_value(reader, take_token(rest)));
      if (const auto extra = take_token(rest); !extra.empty()) {
        return reader.fault(fmt::format("'{}' follows the value", extra.substr(0, 40)));
      }
      if (value == 0) continue;
      builder.insert(i, j);
      if (header.symmetric) builder.insert(j, i);
    }
  }
  return {};
}

}  // namespace

Result<Mask> parse_matrix_market_mask(std::string_view text, std::string_view name) {
  LineReader reader(text, name);
  LACUNA_TRY(MarketHeader header, parse_banner(reader));
  LACUNA_TRY_VOID(parse_sizes(reader, header));
  auto builder = MaskBuilder::create(header.m, header.k);
  if (!builder) return reader.fault(builder.error().message);
  LACUNA_TRY_VOID(header.coordinate ? parse_coordinate(reader, header, *builder)
                                    : parse_array(reader, header, *builder));
  // "1 12" cut to "1 1" would be another mask: only a newline tells that the last line is whole.
  if (!reader.ended()) return reader.fault("the last line has no newline: truncated?");
  if (const auto extra = reader.next_content('%')) {
    return reader.fault(fmt::format("'{}' follows the last entry", extra->substr(0, 40)));
  }
  return std::move(*builder).finish();
}

// The last line may lack its newline: writers of this format differ.
Result<Mask> parse_smtx_mask(std::string_view text, std::string_view name) {
  LineReader reader(text, name);
  LACUNA_TRY(const auto sizes, parse_integers(reader, reader.next().value_or(""), ", \t\r"));
  if (sizes.size() != 3 || sizes[2] < 0) {
    return reader.fault("expected 'rows, columns, nonzeros'");
  }
  const auto offsets_line = reader.next();
  if (!offsets_line) return reader.fault("the row offsets are missing: truncated?");
  LACUNA_TRY(const auto row_ptr, parse_integers(reader, *offsets_line));
  if (!row_ptr.empty() && row_ptr.back() != sizes[2]) {
    return reader.fault(
        fmt::format("the last row offset is {}, not the {} nonzeros", row_ptr.back(), sizes[2]));
  }
  if (std::cmp_not_equal(row_ptr.size(), static_cast<std::uint64_t>(sizes[0]) + 1)) {
    return reader.fault(
        fmt::format("{} row offsets, {} rows need one more", row_ptr.size(), sizes[0]));
  }
  const auto indices_line = reader.next();
  if (!indices_line && sizes[2] > 0) {
    return reader.fault("the column indices are missing: truncated?");
  }
  LACUNA_TRY(const auto col_idx, parse_integers(reader, indices_line.value_or("")));
  if (std::cmp_not_equal(col_idx.size(), sizes[2])) {
    return reader.fault(fmt::format("{} column indices for {} nonzeros", col_idx.size(), sizes[2]));
  }
  auto mask = Mask::from_csr(sizes[0], sizes[1], row_ptr, col_idx);
  if (!mask) return reader.fault(mask.error().message);
  if (const auto extra = reader.next_content()) {
    return reader.fault(fmt::format("'{}' follows the column indices", extra->substr(0, 40)));
  }
  return mask;
}

}  // namespace lacuna
