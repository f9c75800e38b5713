// SPDX-License-Identifier: Apache-2.0
#include "targets/machine_profile.h"

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>

#include "targets/base/fields.h"
#include "targets/base/file.h"
#include "targets/base/result.h"

namespace lacuna {
namespace {

constexpr std::int32_t kSchema = 1;

bool is_fingerprint(std::string_view text) {
  constexpr std::size_t kDigits = 32;
  return text.size() == kDigits && text.find_first_not_of("0123456789abcdef") == text.npos;
}

// What is wrong with the values, or nullopt.
std::optional<std::string> find_fault(const MachineProfile& profile) {
  if (profile.schema != kSchema)
    return fmt::format("schema {} is not {}: run `lacuna probe` again", profile.schema, kSchema);
  if (!is_fingerprint(profile.fingerprint))
    return fmt::format("fingerprint '{}' is not 32 hexadecimal digits", profile.fingerprint);
  if (profile.cores < 1) return fmt::format("cores {} is less than 1", profile.cores);
  std::optional<std::string> fault;
  MachineProfile::for_each_field(profile, [&](const char* name, const auto& field) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(field)>, double>)
      if (!fault && !(std::isfinite(field) && field >= 0))
        fault = fmt::format("{} {} is not a finite number of at least 0", name, field);
  });
  if (!fault && profile.fma_f32_gflops == 0) fault = "fma_f32_gflops is 0: nothing was measured";
  return fault;
}

tl::unexpected<Error> invalid_profile(const std::filesystem::path& path, std::string_view what) {
  return make_error(ErrorCode::kInvalidFile, "machine profile {}: {}", path.string(), what);
}

}  // namespace

std::filesystem::path profile_path(const std::string& fingerprint) {
  return user_cache_folder() / "v1" / fingerprint / "profile.json";
}

Result<MachineProfile> load_profile(const std::filesystem::path& path) {
  LACUNA_TRY(const std::string text, read_text_file(path));
  const auto json = nlohmann::json::parse(text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return invalid_profile(path, "not valid JSON");
  if (!json.is_object()) return invalid_profile(path, "expected an object");
  for (const char* required : {"schema", "fingerprint", "fma_f32_gflops"})
    if (!json.contains(required))
      return invalid_profile(path, fmt::format("missing field '{}'", required));
  MachineProfile profile;
  if (auto status = from_json_value(json, profile); !status)
    return invalid_profile(path, status.error().message);
  if (const auto fault = find_fault(profile)) return invalid_profile(path, *fault);
  // A folder named by a fingerprint (profile_path) holds that machine's profile and no other.
  const std::string folder = path.parent_path().filename().string();
  if (is_fingerprint(folder) && folder != profile.fingerprint)
    return invalid_profile(
        path, fmt::format("fingerprint {} is of another machine", profile.fingerprint));
  return profile;
}

Result<> store_profile(const std::filesystem::path& path, const MachineProfile& profile) {
  if (const auto fault = find_fault(profile))
    return make_error(ErrorCode::kInvalidArgument, "machine profile: {}", *fault);
  // The model name comes from the processor: bytes that are not UTF-8 are replaced.
  const std::string text = to_json_value(profile).dump(2, ' ', /*ensure_ascii=*/false,
                                                       nlohmann::json::error_handler_t::replace);
  return write_file_atomic(path, text + "\n");
}

}  // namespace lacuna
