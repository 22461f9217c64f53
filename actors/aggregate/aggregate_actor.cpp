#include "actors/aggregate/aggregate_actor.hpp"

#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "actors/aggregate/chunk_frames.hpp"

namespace troupe::actors::aggregate {
namespace {

constexpr const char* kBroken = "a message about this answer failed twice in aggregate";

// The aggregator and its links.
class Shell {
 public:
  Shell(std::shared_ptr<Aggregator> core, AggregateLinks links)
      : core_(std::move(core)), links_(std::move(links)) {}

  Aggregator& core() { return *core_; }

  void send(Replies replies) {
    links_.places.at("core");
    std::set<std::uint64_t> broken;
    for (const messages::ReplyChunks& frame : into_frames(std::move(replies.chunks))) {
      links_.places.at("send");
      send_frame(frame, broken);
    }
    for (const auto& finished : replies.finished) {
      links_.places.at("send");
      if (!broken.contains(finished.request_id)) links_.to_dispatch.send(finished);
    }
    for (const std::uint64_t id : broken) {
      links_.to_dispatch.send(messages::ReplyFinished{
          .request_id = id, .reason = messages::FinishReason::kError, .tokens = 0});
    }
  }

 private:
  // A chunk that cannot be packed ends its own answer: it would be made, and throw, again.
  void send_frame(const messages::ReplyChunks& frame, std::set<std::uint64_t>& broken) {
    try {
      return send_whole(frame);
    } catch (const std::exception&) {  // by one chunk, and which one is seen below
    }
    for (const messages::ReplyChunk& chunk : frame.chunks) {
      if (broken.contains(chunk.request_id)) continue;
      try {
        send_whole({{chunk}});
      } catch (const std::exception& error) {
        broken.insert(chunk.request_id);
        const std::vector<std::uint64_t> id{chunk.request_id};
        links_.to_gateway.send(
            messages::ReplyChunks{core_->break_off(id, broken_by(error)).chunks});
      }
    }
  }

  void send_whole(const messages::ReplyChunks& frame) const {
    if (links_.chunk_probe) std::ranges::for_each(frame.chunks, links_.chunk_probe);
    links_.to_gateway.send(frame);
  }

  std::shared_ptr<Aggregator> core_;
  AggregateLinks links_;
};

std::vector<std::uint64_t> requests_of(const messages::JournaledTokens& tokens) {
  std::set<std::uint64_t> ids;
  for (const messages::TokenEvent& event : tokens.events) ids.insert(event.request_id);
  return {ids.begin(), ids.end()};
}

caf::behavior handlers(const std::shared_ptr<Shell>& shell) {
  return {
      [shell](const messages::ReplyPlan& plan) { shell->send(shell->core().on_plan(plan)); },
      [shell](const messages::JournaledTokens& tokens) {
        shell->send(shell->core().on_tokens(tokens));
      },
      [shell](const messages::Failure& failure) { shell->send(shell->core().on_failure(failure)); },
  };
}

caf::behavior give_up(const std::shared_ptr<Shell>& shell) {
  const auto break_off = [shell](const std::vector<std::uint64_t>& ids) {
    shell->send(shell->core().break_off(ids, kBroken));
  };
  return {
      [=](const messages::ReplyPlan& plan) { break_off({plan.request_id}); },
      [=](const messages::JournaledTokens& tokens) { break_off(requests_of(tokens)); },
      [=](const messages::Failure& failure) { break_off({failure.request_id}); },
  };
}

}  // namespace

supervision::StageSpec aggregate_stage(std::shared_ptr<Aggregator> first,
                                       std::shared_ptr<const model::Tokenizer> tokenizer,
                                       AggregateLinks links) {
  const auto make = [=, first = std::move(first)](caf::event_based_actor*,
                                                  std::uint32_t lives) mutable {
    if (lives > 0) {
      first = std::make_shared<Aggregator>(tokenizer, links.probe);
      links.to_dispatch.send(messages::ReplayRequest{.lives = lives});
    }
    const auto shell = std::make_shared<Shell>(first, links);
    if (lives > 0) first.reset();
    return supervision::Incarnation{handlers(shell), give_up(shell)};
  };
  return {.name = "aggregate", .make = make, .tick = {}, .at_exit = {}, .before = {}};
}

}  // namespace troupe::actors::aggregate
