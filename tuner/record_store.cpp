// SPDX-License-Identifier: Apache-2.0
#include "tuner/record_store.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "runtime/record.h"
#include "targets/base/file.h"
#include "targets/base/result.h"
#include "templates/registry.h"

namespace lacuna {

Result<> store_record(const TuningRecord& record) {
  const auto folder = record_folder(record.fingerprint);
  sweep_temporary_files(folder);
  return write_file_atomic(folder / (record.key + ".json"), to_text(record));
}

Result<std::vector<StoredRecord>> list_records(const std::string& fingerprint) {
  const auto folder = record_folder(fingerprint);
  std::error_code error;
  std::vector<StoredRecord> records;
  std::filesystem::directory_iterator it(folder, error);
  if (error == std::errc::no_such_file_or_directory) return records;
  for (; !error && it != std::filesystem::directory_iterator(); it.increment(error)) {
    if (it->path().extension() != ".json") continue;
    records.push_back({it->path(), verify_record(it->path())});
  }
  if (error)
    return make_error(ErrorCode::kIo, "cannot list {}: {}", folder.string(), error.message());
  std::sort(records.begin(), records.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return records;
}

Result<TuningRecord> verify_record(const std::filesystem::path& path) {
  LACUNA_TRY(const std::string text, read_text_file(path));
  auto record = parse_record(text);
  if (!record) return add_context(path.filename().string(), std::move(record).error());
  if (record->key != path.stem().string())
    return make_error(ErrorCode::kInvalidFile, "{}: holds the record of key {}",
                      path.filename().string(), record->key);
  if (record->template_version != kTemplateVersion)
    return make_error(ErrorCode::kInvalidFile, "{}: made by template version {}, this is {}",
                      path.filename().string(), record->template_version, kTemplateVersion);
  const auto plan = plan_of_record(*record);
  if (!plan) return add_context(path.filename().string(), plan.error());
  return record;
}

Result<std::filesystem::path> find_record_file(const std::string& fingerprint,
                                               const std::string& prefix) {
  constexpr std::size_t kShortest = 4;
  if (prefix.size() < kShortest)
    return make_error(ErrorCode::kInvalidArgument, "key '{}' is too short: give at least {} digits",
                      prefix, kShortest);
  LACUNA_TRY(const auto records, list_records(fingerprint));
  std::vector<std::filesystem::path> found;
  for (const auto& stored : records)
    if (stored.path.stem().string().starts_with(prefix)) found.push_back(stored.path);
  if (found.empty())
    return make_error(ErrorCode::kNotFound,
                      "no record with key '{}'; `lacuna records list` shows the keys", prefix);
  if (found.size() > 1)
    return make_error(ErrorCode::kInvalidArgument,
                      "{} records have a key that begins with '{}': give more digits", found.size(),
                      prefix);
  return found.front();
}

Result<> remove_record_file(const std::filesystem::path& path) {
  std::error_code error;
  const bool removed = std::filesystem::remove(path, error);
  if (error)
    return make_error(ErrorCode::kIo, "cannot remove {}: {}", path.string(), error.message());
  if (!removed) return make_error(ErrorCode::kNotFound, "{} does not exist", path.string());
  return {};
}

}  // namespace lacuna
