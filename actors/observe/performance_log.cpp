#include "actors/observe/performance_log.hpp"

#include <chrono>

#include "actors/observe/json_line.hpp"
#include "actors/observe/request_log.hpp"
#include "config/limits.hpp"

namespace troupe::actors::observe {
namespace {

JsonLine ops_of(const messages::StepRecord& record) {
  JsonLine ops;
  for (const messages::OpRecord& op : record.ops) {
    JsonLine figures;
    figures.number("us", op.us)
        .number("memory_bytes", op.memory_bytes)
        .number("operations", op.operations);
    ops.object(op.name, figures);
  }
  return ops;
}

// ts_wall as in every log, then the shape of the step, then what it cost.
std::string step_line(std::string_view worker, const messages::StepRecord& record) {
  const std::chrono::microseconds since_1970(record.unix_us);
  JsonLine line;
  line.text("ts_wall", wall_clock_text(std::chrono::system_clock::time_point(since_1970)))
      .text("worker", worker)
      .number("step", record.step)
      .number("sequences", record.sequences)
      .number("prefill_tokens", record.prefill_tokens)
      .number("decode_tokens", record.decode_tokens)
      .number("step_us", record.step_us)
      .number("waiting", record.waiting)
      .number("kv_blocks_used", record.kv_blocks_used)
      .number("kv_blocks_free", record.kv_blocks_free)
      .number("preemptions", record.preemptions)
      .object("ops", ops_of(record));
  return line.str();
}

}  // namespace

std::string step_lines(std::string_view worker, std::span<const messages::StepRecord> records) {
  std::string lines;
  for (const messages::StepRecord& record : records) {
    if (!lines.empty()) lines += '\n';
    lines += step_line(worker, record);
  }
  return lines;
}

std::string slow_step_lines(std::string_view worker,
                            std::span<const messages::StepRecord> records) {
  std::string lines;
  for (const messages::StepRecord& record : records) {
    if (record.step_us <= static_cast<std::uint64_t>(config::kSlowStep.count())) continue;
    if (!lines.empty()) lines += '\n';
    lines += ErrorRecord{.where = std::string(worker),
                         .code = "slow_call",
                         .text = "step " + std::to_string(record.step) + " of " +
                                 std::to_string(record.sequences) + " sequences took " +
                                 std::to_string(record.step_us / 1'000'000) + " s",
                         .request_id = {}}
                 .to_line();
  }
  return lines;
}

}  // namespace troupe::actors::observe
