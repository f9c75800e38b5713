// SPDX-License-Identifier: Apache-2.0
//
// `lacuna records`: list, show, verify and remove tuning records of this machine.
#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/record.h"
#include "targets/base/fields.h"
#include "targets/base/result.h"
#include "targets/host.h"
#include "templates/problem.h"
#include "tuner/cli/output.h"
#include "tuner/cli/verbs.h"
#include "tuner/record_store.h"

namespace lacuna::cli {
namespace {

struct RecordsOptions {
  std::string what = "list";
  std::string key;
  bool all = false;
};

std::string ops_of(const TuningRecord& record) {
  std::string ops;
  for (const Problem& problem : record.problems)
    ops += (ops.empty() ? "" : ",") + std::string(to_text(problem.op));
  return ops;
}

Result<> list(const std::string& fingerprint, const Context& context) {
  LACUNA_TRY(const auto records, list_records(fingerprint));
  Table table(
      {"key", "mask", "nnz", "problems", "n", "threads", "winner", "time", "rigor", "made"});
  auto document = nlohmann::json::array();
  for (const StoredRecord& stored : records) {
    if (!stored.record) {
      context.output.note(stored.record.error().message + " (ignored)");
      continue;
    }
    const TuningRecord& r = *stored.record;
    const Problem& first = r.problems.front();
    const CandidateRecord& winner = r.candidates.front();
    table.add({r.key.substr(0, 12), fmt::format("{}x{}", first.m, first.k),
               std::to_string(r.mask_nnz), ops_of(r), std::to_string(first.n),
               std::to_string(r.threads), winner.format, seconds_text(winner.measured_s), r.rigor,
               r.created_at});
    document.push_back(to_json_value(r));
  }
  if (document.empty())
    context.output.print("no records of this machine yet; `lacuna tune MASK` makes one");
  else
    context.output.print(table.to_text());
  context.output.print_json(document);
  return {};
}

Result<> show(const std::string& fingerprint, const std::string& key, const Context& context) {
  LACUNA_TRY(const auto path, find_record_file(fingerprint, key));
  LACUNA_TRY(const TuningRecord record, verify_record(path));
  context.output.print(to_json_value(record).dump(2));
  context.output.print_json(to_json_value(record));
  return {};
}

Result<> verify(const std::string& fingerprint, const Context& context) {
  LACUNA_TRY(const auto records, list_records(fingerprint));
  std::size_t bad = 0;
  auto document = nlohmann::json::array();
  for (const StoredRecord& stored : records) {
    const bool good = stored.record.has_value();
    bad += good ? 0 : 1;
    const std::string message = good ? "good" : stored.record.error().message;
    context.output.print(fmt::format("{}  {}", stored.path.stem().string(), message));
    document.push_back({{"path", stored.path.string()}, {"good", good}, {"message", message}});
  }
  context.output.print_json(document);
  if (bad > 0)
    return make_error(ErrorCode::kInvalidFile,
                      "{} of {} records cannot be used and count as missing; `lacuna records "
                      "remove KEY` removes one",
                      bad, records.size());
  context.output.print(fmt::format("{} records, all good", records.size()));
  return {};
}

Result<> remove(const std::string& fingerprint, const RecordsOptions& options,
                const Context& context) {
  std::vector<std::filesystem::path> paths;
  if (options.all) {
    LACUNA_TRY(const auto records, list_records(fingerprint));
    for (const StoredRecord& stored : records)
      paths.push_back(stored.path);
  } else {
    LACUNA_TRY(auto path, find_record_file(fingerprint, options.key));
    paths.push_back(std::move(path));
  }
  auto document = nlohmann::json::array();
  for (const auto& path : paths) {
    LACUNA_TRY_VOID(remove_record_file(path));
    context.output.print("removed " + path.stem().string());
    document.push_back(path.stem().string());
  }
  context.output.print_json({{"removed", document}});
  return {};
}

Result<> run_records(const RecordsOptions& options, const Context& context) {
  const bool takes_key = options.what == "show" || (options.what == "remove" && !options.all);
  if (takes_key && options.key.empty())
    return make_error(ErrorCode::kInvalidArgument, "`records {}` needs a KEY{}", options.what,
                      options.what == "remove" ? " or --all" : "");
  LACUNA_TRY(const HostDescription host, describe_host());
  const std::string fingerprint = host_fingerprint(host);
  if (options.what == "list") return list(fingerprint, context);
  if (options.what == "show") return show(fingerprint, options.key, context);
  if (options.what == "verify") return verify(fingerprint, context);
  if (options.what == "remove") return remove(fingerprint, options, context);
  return make_error(ErrorCode::kInvalidArgument, "'{}' is not one of: list, show, verify, remove",
                    options.what);
}

}  // namespace

void add_records_verb(Registry& registry) {
  const auto options = std::make_shared<RecordsOptions>();
  CLI::App& verb = registry.add({
      .name = "records",
      .summary = "list, show, verify or remove what tuning learned on this machine",
      .example =
          "  lacuna records list\n  lacuna records show 3f9a12c0\n  lacuna records remove --all",
      .action = [options](Context& context) { return run_records(*options, context); },
  });
  verb.add_option("WHAT", options->what, "list, show, verify or remove")->capture_default_str();
  verb.add_option("KEY", options->key, "the first digits (4 or more) of a record's key");
  verb.add_flag("--all", options->all, "remove every record of this machine");
}

}  // namespace lacuna::cli
