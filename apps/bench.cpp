#include "apps/bench.hpp"

#include <cstdint>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "apps/bench_profile.hpp"
#include "apps/bench_runner.hpp"
#include "apps/calibration.hpp"
#include "apps/interrupt.hpp"
#include "apps/loaded_model.hpp"
#include "apps/machine_limits.hpp"
#include "apps/model_facts.hpp"
#include "apps/model_flags.hpp"
#include "apps/peak_memory.hpp"
#include "apps/progress.hpp"
#include "apps/standard_output.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

using config::UserError;
using Json = nlohmann::ordered_json;

constexpr int kSchemaVersion = 1;
// As many as a batch of the server may hold.
constexpr std::int64_t kBatchMax = 1024;
constexpr std::int64_t kRepeatMax = 1000;

struct Flags {
  ModelFlags model;
  std::int64_t prompt = 512;
  std::int64_t generate = 64;
  std::int64_t repeat = 3;
  std::vector<std::int64_t> batches{1, 8, 16, 32};
  bool json = false;
  bool profile = false;
};

std::int32_t in_range(const char* flag, std::int64_t value, std::int64_t max) {
  if (value >= 1 && value <= max) return static_cast<std::int32_t>(value);
  throw UserError(std::string(flag) + " must be between 1 and " + std::to_string(max) + ", not " +
                  std::to_string(value));
}

BenchPlan plan_of(const Flags& flags, const LoadedModel& model, const config::NodeConfig& config) {
  BenchPlan plan{.prompt = in_range("--prompt", flags.prompt, model.context_max),
                 .generate = in_range("--generate", flags.generate, model.context_max),
                 .repeat = in_range("--repeat", flags.repeat, kRepeatMax),
                 .batches = {}};
  for (const std::int64_t batch : flags.batches) {
    plan.batches.push_back(in_range("--batch", batch, kBatchMax));
  }
  check_plan(plan, model, config);
  return plan;
}

// A batch size with what the machine gave just before it (and, of a profile, behind it), and what
// of that bounds the backend.
struct Row {
  BenchResult result;
  Calibration calibration;
  std::uint64_t peak_rss_bytes = 0;  // while it was measured
  MachineLimits limits;
  std::optional<BenchProfile> profile;
};

Json to_json(const Calibration& calibration) {
  const auto or_null = [](std::optional<double> rate) { return rate ? Json(*rate) : Json(); };
  return {{"amx_int8_tops", or_null(calibration.amx_int8_tops)},
          {"avx512_int8_tops", or_null(calibration.avx512_int8_tops)},
          {"avx512_bf16_tops", or_null(calibration.avx512_bf16_tops)},
          {"avx512_fp32_tops", or_null(calibration.avx512_fp32_tops)},
          {"avx_vnni_int8_tops", or_null(calibration.avx_vnni_int8_tops)},
          {"avx2_int8_tops", or_null(calibration.avx2_int8_tops)},
          {"avx2_fp32_tops", or_null(calibration.avx2_fp32_tops)},
          {"memory_read_gb_per_s", calibration.memory_read_gb_per_s}};
}

Json to_json(const MachineFacts& machine, int threads) {
  return {{"cpu", machine.cpu},
          {"cores", machine.cores},
          {"threads", threads},
          {"memory_bytes", machine.memory_bytes},
          {"isa", machine.isa}};
}

Json range_json(const Rates& rates) { return {rates.sorted.front(), rates.sorted.back()}; }

Json to_json(const Row& row, const BenchPlan& plan, const std::string& kv) {
  Json json{{"batch", row.result.batch},
            {"prefill_tokens_per_s", row.result.prefill.median()},
            {"decode_tokens_per_s", row.result.decode.median()},
            {"context", plan.context()},
            {"kv", kv},
            {"prompt", plan.prompt},
            {"generate", plan.generate},
            {"repeat", plan.repeat},
            {"prefill_min_max", range_json(row.result.prefill)},
            {"decode_min_max", range_json(row.result.decode)},
            {"peak_rss_bytes", row.peak_rss_bytes},
            {"calibration", to_json(row.calibration)}};
  const Rates& share = row.result.packed_read_share;
  if (!share.sorted.empty()) json["packed_read_share"] = share.median();
  if (row.profile) json["profile"] = profile_json(*row.profile, row.limits);
  return json;
}

void print_table(const std::vector<Row>& rows) {
  std::printf("%5s  %28s  %28s  %10s  %10s\n",
              "batch",
              "prefill tokens/s (min–max)",
              "decode tokens/s (min–max)",
              "int8 TOPS",
              "read GB/s");
  for (const Row& row : rows) {
    const Rates& prefill = row.result.prefill;
    const Rates& decode = row.result.decode;
    std::printf("%5d  %10.1f (%6.1f–%6.1f)  %10.1f (%6.1f–%6.1f)  %10.2f  %10.1f\n",
                row.result.batch,
                prefill.median(),
                prefill.sorted.front(),
                prefill.sorted.back(),
                decode.median(),
                decode.sorted.front(),
                decode.sorted.back(),
                row.limits.int8_tops.value_or(0.0),
                row.calibration.memory_read_gb_per_s);
  }
  for (const Row& row : rows) {
    if (row.result.packed_read_share.sorted.empty()) continue;
    std::printf("one stream decodes at %.0f%% of reading its packed weights alone\n",
                row.result.packed_read_share.median() * 100);
  }
  for (const Row& row : rows) {
    if (row.profile) print_profile(*row.profile, row.result.batch, row.limits);
  }
}

int run_bench(const Flags& flags) {
  const config::NodeConfig config = local_config(flags.model);
  watch_interrupts();
  Progress progress("loading " + config.model.file.string());
  const LoadedModel model = load_model(config.model);
  const BenchPlan plan = plan_of(flags, model, config);
  BenchRunner runner(model, config, plan, progress, interrupted);
  const int threads = runner.device().threads();
  runner.warm_up();
  std::vector<Row> rows;
  for (const std::int32_t batch : plan.batches) {
    const Calibration calibration = calibrate(threads);
    reset_peak_resident();
    BenchResult result = runner.measure(batch);
    Row& row = rows.emplace_back(Row{std::move(result), calibration, peak_resident_bytes()});
    if (flags.profile && !interrupted()) {
      row.profile = runner.profile(batch);
      row.calibration = fastest_of(calibration, calibrate(threads));
    }
    row.limits = limits_of(row.calibration, runner.device().backend());
    if (interrupted()) return kInterruptedExitCode;
  }
  progress.finish();
  if (!flags.json) {
    print_table(rows);
    finish_output();
    return 0;
  }
  Json json{{"schema_version", kSchemaVersion},
            {"numerics_id", runner.numerics_id()},
            {"model", model.alias},
            {"machine", to_json(machine_facts(), threads)},
            {"calibration", to_json(rows.front().calibration)},
            {"results", Json::array()}};
  const std::string kv(model::name_of(kv_type(config)));
  for (const Row& row : rows) json["results"].push_back(to_json(row, plan, kv));
  std::printf("%s\n", json.dump(2, ' ', false, Json::error_handler_t::replace).c_str());
  finish_output();
  return 0;
}

}  // namespace

void add_bench_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "bench", "The engine alone: tokens/s of prefill and decode for each batch size.");
  flags->model.add_to(*command);
  command->add_option("--prompt", flags->prompt, "tokens of each prompt")->capture_default_str();
  command->add_option("--generate", flags->generate, "decode steps of one measurement")
      ->capture_default_str();
  command->add_option("--batch", flags->batches, "sequences at once, separated by commas")
      ->delimiter(',')
      ->capture_default_str();
  command->add_option("--repeat", flags->repeat, "measurements; the median counts")
      ->capture_default_str();
  command->add_flag(
      "--profile", flags->profile, "time, bytes, operations and share of the limit of each op");
  command->add_flag("--json", flags->json, "one object with the machine and its calibration");
  command->callback([flags, &exit_code] { exit_code = run_bench(*flags); });
}

}  // namespace troupe::apps
