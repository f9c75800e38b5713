// SPDX-License-Identifier: Apache-2.0
// Layout: NumPy's documentation, numpy.lib.format ("A simple file format for NumPy arrays").
#include "runtime/npy_array.h"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "targets/base/result.h"

namespace lacuna {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::size_t kMaxDimensions = 32;

std::string_view as_text(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// What a header may say. The header is a Python dictionary literal with exactly these three keys.
struct Header {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::int64_t> shape;
  bool has_descr = false, has_order = false, has_shape = false;
};

// Reads the literals that NumPy writes: strings, True, False and tuples of integers.
class HeaderParser {
 public:
  explicit HeaderParser(std::string_view text) : text_(text) {}

  // False if the text is anything else than one well-formed header.
  bool parse(Header& header) {
    if (!take('{')) return false;
    while (!take('}')) {
      std::string key;
      if (!string(key) || !take(':') || !value(key, header)) return false;
      if (take(',')) continue;
      if (!take('}')) return false;
      break;
    }
    skip_blanks();
    return text_.empty() && header.has_descr && header.has_order && header.has_shape;
  }

 private:
  void skip_blanks() {
    text_.remove_prefix(std::min(text_.find_first_not_of(" \t\r\n"), text_.size()));
  }

  bool take(char c) {
    skip_blanks();
    if (text_.empty() || text_.front() != c) return false;
    text_.remove_prefix(1);
    return true;
  }

  bool word(std::string_view expected) {
    skip_blanks();
    if (!text_.starts_with(expected)) return false;
    text_.remove_prefix(expected.size());
    return true;
  }

  bool string(std::string& out) {
    skip_blanks();
    if (text_.empty() || (text_.front() != '\'' && text_.front() != '"')) return false;
    const std::size_t end = text_.find(text_.front(), 1);
    if (end == std::string_view::npos) return false;
    out = text_.substr(1, end - 1);
    text_.remove_prefix(end + 1);
    return true;
  }

  bool tuple(std::vector<std::int64_t>& out) {
    if (!take('(')) return false;
    while (!take(')')) {
      skip_blanks();
      std::int64_t extent = 0;
      const auto [end, error] = std::from_chars(text_.data(), text_.data() + text_.size(), extent);
      if (error != std::errc{} || extent < 0 || out.size() == kMaxDimensions) return false;
      text_.remove_prefix(static_cast<std::size_t>(end - text_.data()));
      out.push_back(extent);
      if (take(',')) continue;
      if (!take(')')) return false;
      break;
    }
    return true;
  }

  // One value, into the field that the key names; each key once.
  bool value(std::string_view key, Header& header) {
    if (key == "descr" && !header.has_descr) {
      header.has_descr = true;
      return string(header.descr);
    }
    if (key == "shape" && !header.has_shape) {
      header.has_shape = true;
      return tuple(header.shape);
    }
    if (key != "fortran_order" || header.has_order) return false;
    header.has_order = true;
    header.fortran_order = word("True");
    return header.fortran_order || word("False");
  }

  std::string_view text_;
};

bool is_supported_item(char kind, std::int32_t bytes) {
  switch (kind) {
    case 'b':
      return bytes == 1;
    case 'i':
    case 'u':
      return bytes == 1 || bytes == 2 || bytes == 4 || bytes == 8;
    case 'f':
      return bytes == 2 || bytes == 4 || bytes == 8;
    case 'S':
    case 'U':
      return bytes >= 1 && bytes <= 64;
    default:
      return false;
  }
}

// "<f4": byte order, kind, bytes ('U': characters of four bytes).
Result<> parse_descr(const std::string& descr, NpyArray& array) {
  std::int32_t size = -1;
  if (descr.size() >= 3 && std::string_view("<>|=").find(descr[0]) != std::string_view::npos) {
    const char* const last = descr.data() + descr.size();
    const auto [end, error] = std::from_chars(descr.data() + 2, last, size);
    if (error != std::errc{} || end != last || size > 1024) size = -1;
  }
  if (size >= 0 && descr[1] == 'U') size *= 4;
  if (size < 0 || !is_supported_item(descr[1], size)) {
    return make_error(ErrorCode::kUnsupported,
                      "element type '{}' is not a bool, integer or float of up to 8 bytes", descr);
  }
  array.kind = descr[1];
  array.item_bytes = size;
  array.big_endian = descr[0] == '>';
  return {};
}

// Bytes that the shape asks for; nothing if they do not fit in 63 bits.
std::optional<std::int64_t> bytes_of_shape(const NpyArray& array) {
  std::int64_t bytes = array.item_bytes;
  for (const std::int64_t extent : array.shape) {
    if (extent == 0) return 0;
  }
  for (const std::int64_t extent : array.shape) {
    if (__builtin_mul_overflow(bytes, extent, &bytes)) return std::nullopt;
  }
  return bytes;
}

// The header's text, and `data` set behind it.
Result<std::string_view> header_text(std::span<const std::byte> bytes,
                                     std::span<const std::byte>& data) {
  if (!as_text(bytes).starts_with(kMagic)) {
    return make_error(ErrorCode::kInvalidFile, "not a .npy file: bad magic bytes");
  }
  constexpr const char* kTruncated = "the .npy header is truncated";
  if (bytes.size() < 10) return make_error(ErrorCode::kInvalidFile, "{}", kTruncated);
  const auto major = static_cast<unsigned>(bytes[6]);
  const auto minor = static_cast<unsigned>(bytes[7]);
  if (major < 1 || major > 3 || minor != 0) {
    return make_error(ErrorCode::kUnsupported, ".npy version {}.{} is not 1.0, 2.0 or 3.0", major,
                      minor);
  }
  const std::size_t length_bytes = major == 1 ? 2 : 4;
  const std::size_t begin = 8 + length_bytes;
  if (bytes.size() < begin) return make_error(ErrorCode::kInvalidFile, "{}", kTruncated);
  std::size_t length = 0;
  for (std::size_t i = length_bytes; i-- > 0;) {
    length = length << 8 | static_cast<std::size_t>(bytes[8 + i]);
  }
  if (length > bytes.size() - begin) {
    return make_error(ErrorCode::kInvalidFile, "{}", kTruncated);
  }
  data = bytes.subspan(begin + length);
  return as_text(bytes.subspan(begin, length));
}

}  // namespace

std::int64_t NpyArray::count() const {
  // parse_npy bounds the product, except where a zero makes it 0.
  if (std::ranges::find(shape, 0) != shape.end()) return 0;
  std::int64_t items = 1;
  for (const std::int64_t extent : shape)
    items *= extent;
  return items;
}

std::uint64_t NpyArray::bits(std::int64_t item) const {
  const auto bytes = data.subspan(static_cast<std::size_t>(item * item_bytes),
                                  static_cast<std::size_t>(item_bytes));
  std::uint64_t value = 0;
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::size_t at = big_endian ? i : bytes.size() - 1 - i;
    value = value << 8 | static_cast<std::uint64_t>(bytes[at]);
  }
  return value;
}

bool NpyArray::is_nonzero(std::int64_t item) const {
  const std::uint64_t value = bits(item);
  if (kind != 'f') return value != 0;
  return (value & ~(std::uint64_t{1} << (8 * item_bytes - 1))) != 0;
}

bool NpyArray::is_finite(std::int64_t item) const {
  if (kind != 'f') return true;
  // IEEE 754: a number is finite unless its exponent is all ones.
  const std::uint64_t exponent = item_bytes == 2   ? 0x7c00ULL
                                 : item_bytes == 4 ? 0x7f800000ULL
                                                   : 0x7ff0000000000000ULL;
  return (bits(item) & exponent) != exponent;
}

Result<NpyArray> parse_npy(std::span<const std::byte> bytes) {
  NpyArray array;
  LACUNA_TRY(const std::string_view text, header_text(bytes, array.data));
  Header header;
  if (!HeaderParser(text).parse(header)) {
    return make_error(ErrorCode::kInvalidFile, "malformed .npy header: {}", text.substr(0, 120));
  }
  LACUNA_TRY_VOID(parse_descr(header.descr, array));
  array.fortran_order = header.fortran_order;
  array.shape = std::move(header.shape);
  const auto needed = bytes_of_shape(array);
  if (!needed || std::cmp_not_equal(*needed, array.data.size())) {
    return make_error(ErrorCode::kInvalidFile, "{} bytes of data, shape ({}) of '{}' needs {}",
                      array.data.size(), fmt::join(array.shape, ", "), header.descr,
                      needed ? fmt::format("{}", *needed) : "more than 2^63");
  }
  return array;
}

Result<std::vector<std::int64_t>> to_integers(const NpyArray& array) {
  if (array.kind != 'i' && array.kind != 'u') {
    return make_error(ErrorCode::kInvalidFile, "expected integers");
  }
  std::vector<std::int64_t> values(static_cast<std::size_t>(array.count()));
  const int unused_bits = 64 - 8 * array.item_bytes;
  for (std::size_t i = 0; i < values.size(); ++i) {
    const std::uint64_t bits = array.bits(static_cast<std::int64_t>(i));
    if (array.kind == 'u' && bits > std::numeric_limits<std::int64_t>::max()) {
      return make_error(ErrorCode::kInvalidFile, "element {} is {}, beyond 2^63 - 1", i, bits);
    }
    // Shifting up and down extends the sign.
    values[i] = array.kind == 'u' ? static_cast<std::int64_t>(bits)
                                  : static_cast<std::int64_t>(bits << unused_bits) >> unused_bits;
  }
  return values;
}

std::string to_ascii(const NpyArray& array) {
  std::string text;
  if (array.is_number() || array.count() != 1) return text;
  const std::size_t step = array.kind == 'U' ? 4 : 1;
  for (std::size_t i = 0; i < array.data.size(); i += step) {
    const auto unit = array.data.subspan(i, step);
    std::uint64_t code = 0;
    for (std::size_t b = 0; b < step; ++b) {
      code = code << 8 | static_cast<std::uint64_t>(unit[array.big_endian ? b : step - 1 - b]);
    }
    if (code > 127) return {};
    text += static_cast<char>(code);
  }
  text.erase(std::min(text.find('\0'), text.size()));
  return text;
}

}  // namespace lacuna
