// SPDX-License-Identifier: Apache-2.0
//
// Writes ZIP archives in memory, as far as .npz files need them: stored members, 32-bit sizes, no time stamps, so that
// the same content gives the same bytes.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "targets/base/result.h"

namespace lacuna {

struct ZipContent {
  std::string name;
  std::string_view bytes;
};

// Errors: kUnsupported for an archive of 4 GiB or more.
[[nodiscard]] Result<std::string> make_zip(const std::vector<ZipContent>& members);

}  // namespace lacuna
