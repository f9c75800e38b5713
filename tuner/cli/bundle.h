// SPDX-License-Identifier: Apache-2.0
//
// Ahead-of-time bundles: a folder of compiled kernels (codegen/object_cache.h) that an engine without a code generator
// reads.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "runtime/planner.h"
#include "targets/base/result.h"

namespace lacuna::cli {

// Compiles into `folder` what an engine of request.target will ask for: the kernels of the machine's recorded plan, if
// there is one (`fingerprint`; empty: records are not read), and of the plans made without records for every number of
// threads. Where the code generator rejects a kernel, the rejection and the kernel that takes its place.
// The files of the kernels. Errors: those of the planner, the code generator and ObjectCache::store.
[[nodiscard]] Result<std::vector<std::filesystem::path>> write_bundle(
    const PlanRequest& request, const std::string& fingerprint,
    const std::filesystem::path& folder);

}  // namespace lacuna::cli
