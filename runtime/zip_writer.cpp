// SPDX-License-Identifier: Apache-2.0
// Layout and field names: PKWARE APPNOTE.TXT 6.3.10, sections 4.3 and 4.4.
#include "runtime/zip_writer.h"

#include <cstdint>
#include <initializer_list>
#include <limits>
#include <string>
#include <string_view>
#include <vector>
#include <zlib.h>

#include "targets/base/result.h"

namespace lacuna {
namespace {

struct Field {
  std::uint64_t value;
  int bytes;
};

void append(std::string& out, std::initializer_list<Field> fields) {
  for (const auto& [value, bytes] : fields)
    for (int i = 0; i < bytes; ++i)
      out += static_cast<char>(value >> (8 * i) & 0xffU);
}

std::uint64_t checksum(std::string_view bytes) {
  return crc32_z(0, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
}

constexpr std::uint64_t kVersion = 20;           // of the format: files without 64-bit sizes
constexpr std::uint64_t kFirstDay = 1 << 5 | 1;  // 1 January 1980

// From "version needed to extract" to the length of the extra field: the same in both headers.
void append_description(std::string& out, const ZipContent& member) {
  const std::uint64_t size = member.bytes.size();
  append(out, {{kVersion, 2},
               {0, 2},  // flags
               {0, 2},  // stored
               {0, 2},
               {kFirstDay, 2},
               {checksum(member.bytes), 4},
               {size, 4},
               {size, 4},
               {member.name.size(), 2},
               {0, 2}});
}

}  // namespace

Result<std::string> make_zip(const std::vector<ZipContent>& members) {
  std::string file;
  std::string directory;
  for (const ZipContent& member : members) {
    const std::uint64_t offset = file.size();
    append(file, {{0x04034b50, 4}});
    append_description(file, member);
    file.append(member.name).append(member.bytes);
    append(directory, {{0x02014b50, 4}, {kVersion, 2}});
    append_description(directory, member);
    append(directory, {{0, 2}, {0, 2}, {0, 2}, {0, 4}, {offset, 4}});
    directory.append(member.name);
  }
  if (file.size() + directory.size() > std::numeric_limits<std::uint32_t>::max())
    return make_error(ErrorCode::kUnsupported, "an archive of {} bytes: the limit is 4 GiB",
                      file.size() + directory.size());
  const std::uint64_t start = file.size();
  file.append(directory);
  append(file, {{0x06054b50, 4},
                {0, 2},
                {0, 2},
                {members.size(), 2},
                {members.size(), 2},
                {directory.size(), 4},
                {start, 4},
                {0, 2}});
  return file;
}

}  // namespace lacuna
