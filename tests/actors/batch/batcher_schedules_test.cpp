// What is true of a batcher in any schedule.
#include <boost/test/unit_test.hpp>
#include <deque>
#include <map>
#include <random>

#include "tests/actors/batch/batcher_words.hpp"

namespace troupe::actors::batch {
namespace {

// Draws adds, cancels, steps and lost fronts, and holds what must be true after each. Infer is
// played by it, too: it answers in order, and passes over who has ended.
class AnySchedule {
 public:
  AnySchedule(std::uint32_t seed, const BatcherOptions& options)
      : random_{seed}, options_(options), batcher_(options) {}

  void run(int draws) {
    for (int i = 0; i < draws; ++i) draw();
    while (!under_way_.empty()) compute();
    for (auto& [id, request] : requests_) batcher_.cancel({.request_id = id, .attempt = 1});
    hear_released();
    BOOST_TEST(batcher_.blocks().used == 0);
    for (const auto& [id, request] : requests_) {
      BOOST_TEST(request.released == (request.dropped ? 0 : 1));
    }
  }

  int ahead = 0;  // steps that were planned while another was under way

 private:
  struct Request {
    std::int32_t end = 0;       // tokens behind which nothing more is drawn
    std::int32_t computed = 0;  // in the steps that are planned
    bool ended = false;
    bool dropped = false;
    int released = 0;
  };

  void draw() {
    const auto dice = random_() % 64;
    if (dice == 0) {
      drop_all();
    } else if (dice < 8 && requests_.size() < 40) {
      add();
    } else if (dice < 14 && !requests_.empty()) {
      batcher_.cancel({.request_id = 1 + random_() % requests_.size(), .attempt = 1});
    } else if (dice < 40 && !under_way_.empty()) {
      compute();
    } else if (auto batch = batcher_.next_batch()) {
      plan(*batch);
    }
    hear_released();
  }

  void add() {
    const std::uint64_t id = requests_.size() + 1;
    const auto prompt = static_cast<std::int32_t>(1 + random_() % 200);
    const auto tokens = static_cast<std::int32_t>(1 + random_() % 80);
    messages::WorkItem work = item(id, static_cast<std::size_t>(prompt));
    work.sampling.max_tokens = static_cast<std::uint32_t>(tokens);
    batcher_.add(work);
    // Half of them end before, by a token that nobody foresees.
    const std::int32_t drawn =
        random_() % 2 == 0 ? tokens : 1 + static_cast<std::int32_t>(random_() % 80) % tokens;
    requests_[id].end = prompt + drawn - 1;
  }

  void drop_all() {
    batcher_.drop_all();
    for (auto& [id, request] : requests_) request.dropped |= request.released == 0;
  }

  void plan(const messages::Batch& batch) {
    ahead += static_cast<int>(under_way_.size());
    std::int32_t tokens = 0;
    for (const auto& slice : batch.slices) {
      Request& request = requests_[slice.request_id];
      BOOST_REQUIRE(static_cast<std::int32_t>(slice.blocks.size()) * kBlock >=
                    slice.position + slice.count);
      BOOST_REQUIRE((slice.position == request.computed || slice.position == 0));
      request.computed = slice.position + slice.count;
      tokens += slice.count;
    }
    BOOST_REQUIRE(tokens <= static_cast<std::int32_t>(options_.step_tokens_max));
    under_way_.push_back(batch);
    std::map<std::int32_t, std::uint64_t> owners;
    for (const messages::Batch& step : under_way_) {
      for (const auto& slice : step.slices) {
        for (const std::int32_t block : slice.blocks) {
          BOOST_REQUIRE(owners.emplace(block, slice.request_id).first->second == slice.request_id);
        }
      }
    }
  }

  void compute() {
    const messages::Batch batch = std::move(under_way_.front());
    under_way_.pop_front();
    messages::BatchResult result = answer(batch);
    std::erase_if(result.outcomes, [this](const messages::BatchOutcome& outcome) {
      return requests_[outcome.request_id].ended;
    });
    for (messages::BatchOutcome& outcome : result.outcomes) {
      Request& request = requests_[outcome.request_id];
      outcome.finished = slice_of(batch, outcome.request_id)->position +
                             slice_of(batch, outcome.request_id)->count >=
                         request.end;
      request.ended = outcome.finished;
    }
    batcher_.finish(result);
  }

  void hear_released() {
    for (const std::uint64_t id : released_ids(batcher_)) ++requests_[id].released;
  }

  std::mt19937 random_;
  BatcherOptions options_;
  Batcher batcher_;
  std::map<std::uint64_t, Request> requests_;
  std::deque<messages::Batch> under_way_;  // at infer, oldest first
};

BOOST_AUTO_TEST_CASE(in_any_schedule_blocks_are_owned_once_and_every_request_is_released_once) {
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    AnySchedule(seed, options(4, 16, 12)).run(600);
  }
}

BOOST_AUTO_TEST_CASE(so_they_are_with_steps_planned_ahead) {
  int planned_ahead = 0;
  for (std::uint32_t seed = 1; seed <= 300; ++seed) {
    BatcherOptions options = ahead(4, 12);
    options.step_tokens_max = 16;
    AnySchedule schedule(seed, options);
    schedule.run(600);
    planned_ahead += schedule.ahead;
  }
  BOOST_TEST(planned_ahead > 300);
}

}  // namespace
}  // namespace troupe::actors::batch
