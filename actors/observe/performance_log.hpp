// The lines of performance.log: one for each forward pass of each worker.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "messages/step_record.hpp"

namespace troupe::actors::observe {

// One line for each record, joined by line feeds and without a last one, so that a beat's steps are
// one write. Empty for no records.
std::string step_lines(std::string_view worker, std::span<const messages::StepRecord> records);

// For error.log, joined alike: a line for each that took longer than config::kSlowStep.
std::string slow_step_lines(std::string_view worker, std::span<const messages::StepRecord> records);

}  // namespace troupe::actors::observe
