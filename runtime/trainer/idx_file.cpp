// SPDX-License-Identifier: Apache-2.0
#include "runtime/trainer/idx_file.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>
#include <zlib.h>

#include "targets/base/file.h"
#include "targets/base/result.h"

namespace lacuna::trainer {
namespace {

constexpr std::size_t kMagicBytes = 4;
constexpr std::size_t kMaxDimensions = 4;
constexpr std::uint8_t kUnsignedByte = 8;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 31;

bool is_gzip(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{0x1f} && bytes[1] == std::byte{0x8b};
}

// Where the bytes of the array come from: the file itself, or inflated from it piece by piece, so that a header
// can be judged before anything of its size is allocated.
class ByteSource {
 public:
  static Result<std::unique_ptr<ByteSource>> open(std::span<const std::byte> bytes,
                                                  std::string_view name) {
    std::unique_ptr<ByteSource> source(new ByteSource(bytes));
    if (is_gzip(bytes)) {
      constexpr int kGzipOnly = 16 + MAX_WBITS;
      if (inflateInit2(&source->stream_, kGzipOnly) != Z_OK)
        return make_error(ErrorCode::kInternal, "{}: zlib cannot start", name);
      source->inflating_ = true;
    }
    return source;
  }

  ByteSource(const ByteSource&) = delete;
  ByteSource& operator=(const ByteSource&) = delete;
  ~ByteSource() {
    if (inflating_) inflateEnd(&stream_);
  }

  // Fills `out`; the number of bytes got, fewer at the end of the data. Errors: a corrupt stream.
  Result<std::size_t> read(std::span<std::uint8_t> out) {
    return inflating_ ? inflate_some(out) : copy_some(out);
  }

  // False if a gzip stream stops before its checksum.
  [[nodiscard]] bool complete() const { return !inflating_ || ended_; }

 private:
  explicit ByteSource(std::span<const std::byte> bytes) : input_(bytes) {}

  std::size_t copy_some(std::span<std::uint8_t> out) {
    const std::size_t count = std::min(out.size(), input_.size());
    if (count > 0) std::memcpy(out.data(), input_.data(), count);
    input_ = input_.subspan(count);
    return count;
  }

  Result<std::size_t> inflate_some(std::span<std::uint8_t> out) {
    constexpr std::size_t kPiece = std::size_t{1} << 30;  // zlib counts in 32 bits
    std::size_t done = 0;
    while (done < out.size() && !ended_) {
      const std::size_t room = std::min(out.size() - done, kPiece);
      const std::size_t fed = std::min(input_.size(), kPiece);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(input_.data()));
      stream_.avail_in = static_cast<uInt>(fed);
      stream_.next_out = out.data() + done;
      stream_.avail_out = static_cast<uInt>(room);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      input_ = input_.subspan(fed - stream_.avail_in);
      const std::size_t got = room - stream_.avail_out;
      done += got;
      ended_ = status == Z_STREAM_END;
      if (status == Z_BUF_ERROR || (status == Z_OK && got == 0 && input_.empty()))
        return done;  // truncated
      if (status != Z_OK && status != Z_STREAM_END)
        return make_error(ErrorCode::kInvalidFile, "corrupt gzip data ({})",
                          stream_.msg != nullptr ? stream_.msg : "bad checksum");
    }
    return done;
  }

  std::span<const std::byte> input_;
  z_stream stream_{};
  bool inflating_ = false;
  bool ended_ = false;
};

std::int64_t big_endian32(const std::uint8_t* bytes) {
  return (std::int64_t{bytes[0]} << 24) | (bytes[1] << 16) | (bytes[2] << 8) | bytes[3];
}

Result<std::vector<std::int64_t>> read_sizes(ByteSource& source) {
  std::array<std::uint8_t, kMagicBytes> magic{};
  LACUNA_TRY(const std::size_t magic_bytes, source.read(magic));
  if (magic_bytes < kMagicBytes || magic[0] != 0 || magic[1] != 0)
    return make_error(ErrorCode::kInvalidFile,
                      "not an IDX file (it must begin with two zero bytes)");
  if (magic[2] != kUnsignedByte)
    return make_error(ErrorCode::kInvalidFile, "element type {} is not 8 (unsigned byte)",
                      magic[2]);
  if (magic[3] < 1 || magic[3] > kMaxDimensions)
    return make_error(ErrorCode::kInvalidFile, "{} dimensions are not 1 to {}", magic[3],
                      kMaxDimensions);
  std::vector<std::int64_t> sizes;
  std::int64_t elements = 1;
  for (int d = 0; d < magic[3]; ++d) {
    std::array<std::uint8_t, 4> word{};
    LACUNA_TRY(const std::size_t got, source.read(word));
    if (got < word.size()) return make_error(ErrorCode::kInvalidFile, "truncated in the header");
    sizes.push_back(big_endian32(word.data()));
    elements = elements * sizes.back();
    if (elements > kMaxElements)
      return make_error(ErrorCode::kInvalidFile, "more than {} elements are declared",
                        kMaxElements);
  }
  return sizes;
}

Result<IdxArray> read_array(ByteSource& source) {
  IdxArray array;
  LACUNA_TRY(array.sizes, read_sizes(source));
  std::size_t elements = 1;
  for (const std::int64_t size : array.sizes)
    elements *= static_cast<std::size_t>(size);
  // Grow with the data: a header that declares much does not make us allocate it.
  constexpr std::size_t kPiece = std::size_t{1} << 24;
  while (array.values.size() < elements) {
    const std::size_t before = array.values.size();
    array.values.resize(std::min(elements, before + kPiece));
    LACUNA_TRY(const std::size_t got, source.read(std::span(array.values).subspan(before)));
    if (before + got < array.values.size())
      return make_error(ErrorCode::kInvalidFile, "truncated: {} of {} elements", before + got,
                        elements);
  }
  std::array<std::uint8_t, 1> extra{};
  LACUNA_TRY(const std::size_t left_over, source.read(extra));
  if (left_over > 0)
    return make_error(ErrorCode::kInvalidFile, "there are bytes after the {} declared elements",
                      elements);
  if (!source.complete()) return make_error(ErrorCode::kInvalidFile, "truncated gzip data");
  return array;
}

// `path`, or its sibling with ".gz" added or removed if only that exists.
std::filesystem::path existing_variant(const std::filesystem::path& path) {
  std::error_code error;
  if (std::filesystem::exists(path, error)) return path;
  std::filesystem::path other = path;
  if (path.extension() == ".gz") {
    other.replace_extension();
  } else {
    other += ".gz";
  }
  return std::filesystem::exists(other, error) ? other : path;
}

}  // namespace

Result<IdxArray> parse_idx(std::span<const std::byte> bytes, std::string_view name) {
  LACUNA_TRY(const auto source, ByteSource::open(bytes, name));
  auto array = read_array(*source);
  if (!array) return add_context(name, std::move(array).error());
  return array;
}

Result<IdxArray> load_idx(const std::filesystem::path& path) {
  const std::filesystem::path found = existing_variant(path);
  auto bytes = read_file(found);
  if (!bytes && bytes.error().code == ErrorCode::kNotFound)
    return make_error(
        ErrorCode::kNotFound,
        "{} (nor with .gz) does not exist; Fashion-MNIST is in Debian's package "
        "dataset-fashion-mnist (apt install dataset-fashion-mnist), or set data.folder",
        path.string());
  if (!bytes) return tl::unexpected(std::move(bytes).error());
  return parse_idx(*bytes, found.string());
}

}  // namespace lacuna::trainer
