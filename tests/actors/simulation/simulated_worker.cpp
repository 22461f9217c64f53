#include "tests/actors/simulation/simulated_worker.hpp"

#include <algorithm>
#include <utility>

#include "tests/actors/simulation/oracle.hpp"

namespace troupe::tests {

using namespace actors;

namespace {

// The place travels in a field that the front only passes on.
void put_place(messages::TokenEvent& event, const Place& place) {
  event.top_logprobs = {{static_cast<std::int32_t>(place.front_epoch), 0.0F},
                        {static_cast<std::int32_t>(place.attempt), 0.0F},
                        {static_cast<std::int32_t>(place.position), 0.0F}};
}

}  // namespace

Place place_of(const messages::TokenEvent& event) {
  return {static_cast<std::uint64_t>(event.top_logprobs.at(0).first),
          static_cast<std::uint32_t>(event.top_logprobs.at(1).first),
          static_cast<std::uint32_t>(event.top_logprobs.at(2).first)};
}

SimulatedWorker::SimulatedWorker(std::string name,
                                 std::uint64_t generation,
                                 std::uint32_t sequences_max)
    // A pool that is too small for all, so that sequences are preempted too.
    : core_({.sequences_max = sequences_max,
             .step_tokens_max = 32,
             .kv_blocks = 8,
             .block_tokens = 8,
             .prefix_cache = true,
             .plans_ahead = generation % 2 == 0,
             .numerics_id = "n"}),
      hello_{.worker = std::move(name),
             .generation = generation,
             .numerics_id = "n",
             .vocabulary_hash = "v",
             .sequences_max = sequences_max,
             .context_max = 64} {}

std::vector<ToFront> SimulatedWorker::take(const ToWorker& message) {
  std::vector<ToFront> out;
  if (const auto* const item = std::get_if<messages::WorkItem>(&message)) {
    if (item->front_epoch == front_epoch_) {
      core_.add(*item);
      unreleased_.emplace(item->request_id, item->attempt);
    }
  } else if (const auto* const cancel = std::get_if<messages::CancelWork>(&message)) {
    if (cancel->front_epoch == front_epoch_) core_.cancel(*cancel);
  } else {
    welcome(std::get<messages::WorkerWelcome>(message), out);
  }
  for (ToFront& more : released()) out.push_back(std::move(more));
  return out;
}

// As batch_actor.cpp does.
void SimulatedWorker::welcome(const messages::WorkerWelcome& welcome, std::vector<ToFront>& out) {
  if (!welcome.introduce && welcome.beginning != hello_.beginning) return;
  const bool is_other = welcome.front_epoch != front_epoch_ || welcome.admission != admission_;
  if (welcome.introduce || (front_epoch_ != 0 && is_other)) {
    core_.drop_all();
    unreleased_.clear();
    front_epoch_ = 0;
  }
  if (welcome.introduce) return out.push_back(hello_);
  front_epoch_ = welcome.front_epoch;
  admission_ = welcome.admission;
}

void SimulatedWorker::start_over() {
  core_.drop_all();
  unreleased_.clear();
  front_epoch_ = 0;
  ++hello_.beginning;
}

std::vector<ToFront> SimulatedWorker::beat() const {
  if (front_epoch_ == 0) return {hello_};
  return {messages::WorkerBeat{.worker_generation = hello_.generation}};
}

std::vector<ToFront> SimulatedWorker::begin_step() {
  plan();
  stepping_ = !steps_.empty();
  if (stepping_) {
    for (const auto& slice : steps_.front().slices) in_step_.push_back(slice.request_id);
  }
  return released();
}

void SimulatedWorker::plan() {
  while (std::optional<messages::Batch> step = core_.next_batch()) {
    step->front_epoch = front_epoch_;
    steps_.push_back(std::move(*step));
  }
}

bool SimulatedWorker::computes(std::uint64_t front_epoch,
                               std::uint64_t request_id,
                               std::uint32_t attempt) const {
  if (!stepping_ || steps_.front().front_epoch != front_epoch) return false;
  if (std::ranges::find(in_step_, request_id) == in_step_.end()) return false;
  const auto& joined = steps_.front().joined;
  const auto joins = std::ranges::find(joined, request_id, &messages::WorkItem::request_id);
  const messages::WorkItem& work = joins == joined.end() ? engine_.at(request_id).work : *joins;
  return work.attempt == attempt;
}

std::vector<ToFront> SimulatedWorker::finish_step() {
  const messages::Batch batch = std::move(steps_.front());
  steps_.pop_front();
  for (const std::uint64_t id : batch.left) engine_.erase(id);
  for (const messages::WorkItem& item : batch.joined) {
    engine_.insert_or_assign(item.request_id, Known{item, item.produced_tokens});
  }
  messages::TokenFrame frame{.front_epoch = batch.front_epoch,
                             .worker_generation = hello_.generation};
  messages::BatchResult result{.step = batch.step, .step_us = 1000};
  for (const messages::BatchSlice& slice : batch.slices) {
    Known& known = engine_.at(slice.request_id);
    if (!slice.sample || known.over) continue;
    messages::TokenEvent event{.request_id = slice.request_id,
                               .attempt = known.work.attempt,
                               .position = static_cast<std::uint32_t>(known.produced.size())};
    event.token = next_token(known.work.prompt_tokens, known.produced, known.work.sampling);
    put_place(event, {batch.front_epoch, event.attempt, event.position});
    known.produced.push_back(event.token);
    event.finish = finish_of(known.produced, known.work.sampling);
    known.over = event.finish != messages::FinishReason::kNone;
    result.outcomes.push_back(
        {.request_id = slice.request_id, .token = event.token, .finished = known.over});
    frame.events.push_back(std::move(event));
  }
  core_.finish(result);
  plan();
  stepping_ = false;
  in_step_.clear();
  std::vector<ToFront> out;
  if (!frame.events.empty()) out.emplace_back(std::move(frame));
  for (ToFront& more : released()) out.push_back(std::move(more));
  return out;
}

std::vector<ToFront> SimulatedWorker::released() {
  std::vector<messages::ReleasedWork> works = core_.take_released();
  if (works.empty()) return {};
  for (const auto& [id, attempt] : works) unreleased_.erase({id, attempt});
  return {messages::Released{.front_epoch = front_epoch_,
                             .worker_generation = hello_.generation,
                             .works = std::move(works)}};
}

}  // namespace troupe::tests
