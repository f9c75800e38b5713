// SPDX-License-Identifier: Apache-2.0
#include "tuner/cli/run_environment.h"

#include <array>
#include <cstdint>
#include <cstdio>
#include <fmt/format.h>
#include <stdio.h>
#include <string>
#include <string_view>
#include <sys/utsname.h>
#include <unistd.h>

#include "targets/base/file.h"
#include "targets/host.h"
#include "tuner/clock.h"

namespace lacuna::cli {
namespace {

// The first line a command prints; empty if it fails.
std::string first_line_of(const std::string& command) {
  std::FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return "";
  std::array<char, 256> line{};
  const bool got = std::fgets(line.data(), static_cast<int>(line.size()), pipe) != nullptr;
  if (pclose(pipe) != 0 || !got) return "";
  std::string text(line.data());
  while (!text.empty() && text.back() == '\n')
    text.pop_back();
  return text;
}

// Of the source tree this program was built from, as it is now. results/ does not count as a change: a repeated run
// would call its own earlier result one.
std::string commit_text() {
  const std::string git = "git -C '" LACUNA_SOURCE_TREE "' ";
  std::string hash = first_line_of(git + "rev-parse HEAD 2>/dev/null");
  if (hash.empty()) return "unknown";
  const std::string status = "status --porcelain --untracked-files=no -- ':!results' 2>/dev/null";
  if (!first_line_of(git + status).empty()) hash += " + changes";
  return hash;
}

std::string system_text() {
  std::string name = "unknown";
  if (const auto release = read_text_file("/etc/os-release")) {
    constexpr std::string_view kKey = "PRETTY_NAME=\"";
    if (const auto at = release->find(kKey); at != std::string::npos) {
      const auto first = at + kKey.size();
      name = release->substr(first, release->find('"', first) - first);
    }
  }
  utsname kernel{};
  return uname(&kernel) == 0 ? fmt::format("{}, {} {}", name, kernel.sysname, kernel.release)
                             : name;
}

}  // namespace

nlohmann::json run_environment(const HostDescription& host, const std::string& command) {
  const auto pages = static_cast<std::int64_t>(sysconf(_SC_PHYS_PAGES));
  const auto page_bytes = static_cast<std::int64_t>(sysconf(_SC_PAGESIZE));
  return {{"command", command},
          {"commit", commit_text()},
          {"date", utc_now_text()},
          {"cpu", host.model_name.empty() ? host.vendor : host.model_name},
          {"fingerprint", host_fingerprint(host)},
          {"cores", host.cores},
          {"vector_bits", host.target.vector_bits},
          {"l1d_bytes", host.target.caches.l1d_bytes},
          {"l2_bytes", host.target.caches.l2_bytes},
          {"l3_bytes", host.target.caches.l3_bytes},
          {"memory_bytes", pages > 0 && page_bytes > 0 ? pages * page_bytes : 0},
          {"system", system_text()},
          {"compiler", __VERSION__}};
}

}  // namespace lacuna::cli
