#include "actors/observe/performance_log.hpp"

#include <chrono>

#include "actors/observe/json_line.hpp"

namespace troupe::actors::observe {
namespace {

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
      .number("preemptions", record.preemptions);
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

}  // namespace troupe::actors::observe
