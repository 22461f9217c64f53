#include "tests/actors/infer/schedules.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

namespace troupe::tests {
namespace {

using actors::batch::BatcherOptions;

BatcherOptions draw_options(Dice& random, const Catalog& catalog) {
  constexpr std::uint32_t kSteps[] = {8, 17, 33, 64, 100, 256};
  const std::uint32_t sequences = 1 + random() % kScheduleSequences;
  const std::uint32_t step = kSteps[random() % std::size(kSteps)];
  const auto spare = static_cast<std::uint32_t>(kScheduleBlocks - catalog.blocks_min);
  const bool scarce = random() % 2 == 0;
  const std::uint32_t more = random() % (scarce ? std::min(6U, spare) : spare);
  return {.sequences_max = sequences,
          .step_tokens_max = std::max(sequences, step),
          .kv_blocks = catalog.blocks_min + static_cast<std::int32_t>(more),
          .block_tokens = model::kBlockTokens,
          .step_us_target = random() % 2 == 0 ? 0U : 50'000U,
          .prefix_cache = random() % 4 != 0,
          .plans_ahead = random() % 4 != 0};
}

// One request's way through a schedule.
struct Course {
  std::size_t entry = 0;      // in the catalog
  std::uint32_t arrival = 0;  // step
  std::uint32_t cancel = 0;   // step, 0: never
  bool resumes = false;       // after its cancel
  bool dropped = false;       // by a cancel
  std::uint32_t attempt = 1;
  std::size_t resumed_from = 0;  // tokens that it began with
};

std::vector<Course> draw_courses(Dice& random, const Catalog& catalog) {
  std::vector<Course> courses(1 + random() % 10);
  for (Course& course : courses) {
    course.entry = random() % catalog.items.size();
    course.arrival = random() % 30;
    if (random() % 4 == 0) course.cancel = course.arrival + 1 + random() % 20;
    course.resumes = random() % 2 == 0;
    const std::size_t produced = catalog.answers[course.entry].tokens.size();
    if (random() % 4 == 0 && produced > 1) course.resumed_from = random() % produced;
  }
  return courses;
}

messages::WorkItem item_of(const Catalog& catalog, const Course& course, std::uint64_t id) {
  messages::WorkItem work = catalog.items[course.entry];
  work.request_id = id;
  work.attempt = course.attempt;
  const auto& tokens = catalog.answers[course.entry].tokens;
  for (std::size_t i = 0; i < course.resumed_from; ++i) {
    work.produced_tokens.push_back(tokens[i].token);
  }
  return work;
}

// The part of the answer that comes after the tokens that the request began with.
ServedAnswer expected(const Catalog& catalog, const Course& course) {
  ServedAnswer answer = catalog.answers[course.entry];
  const auto begin = answer.tokens.begin();
  answer.tokens.erase(begin, begin + static_cast<std::ptrdiff_t>(course.resumed_from));
  return answer;
}

bool begins_with(const ServedAnswer& whole, const ServedAnswer& part) {
  return part.tokens.size() <= whole.tokens.size() &&
         std::equal(part.tokens.begin(), part.tokens.end(), whole.tokens.begin());
}

class Schedule {
 public:
  Schedule(std::uint32_t seed, actors::infer::Engine& engine, const Catalog& catalog)
      : random_(seed),
        catalog_(catalog),
        served_(engine, draw_options(random_, catalog)),
        step_us_max_(random_() % 2 == 0 ? 100'000 : 30'000),  // a step ahead is for short ones
        courses_(draw_courses(random_, catalog)) {}

  std::string run(Seen& seen) {
    constexpr std::uint32_t kStepsMax = 3000;  // far more than any schedule needs
    for (step_ = 0; step_ < kStepsMax; ++step_) {
      arrive();
      const bool late = random_() % 2 == 0;  // cancels come between steps, or during one
      if (!late) cancel(seen);
      const bool stepped = served_.step(random_() % step_us_max_, [&] {
        if (late) cancel(seen);
      });
      if (!stepped && step_ > 60) break;
    }
    seen.preemptions += served_.batcher().preemptions();
    seen.hit_tokens += served_.batcher().hit_tokens();
    seen.steps_ahead += served_.steps_ahead;
    for (std::size_t i = 0; i < courses_.size(); ++i) compare(i, courses_[i].dropped);
    if (complaint_.empty() && served_.batcher().blocks().used != 0) {
      complaint_ = "blocks are left in use";
    }
    return complaint_;
  }

 private:
  void arrive() {
    for (std::size_t i = 0; i < courses_.size(); ++i) {
      if (courses_[i].arrival == step_) served_.add(item_of(catalog_, courses_[i], i + 1));
    }
  }

  void cancel(Seen& seen) {
    for (std::size_t i = 0; i < courses_.size(); ++i) {
      Course& course = courses_[i];
      const bool over = served_.answers[i + 1].finish != messages::FinishReason::kNone;
      if (course.cancel == 0 || step_ < course.cancel || over) continue;
      ++seen.cancels;
      course.cancel = 0;
      served_.cancel(i + 1, course.attempt);
      course.dropped = !course.resumes;
      if (course.resumes) resume(i, seen);
    }
  }

  // As dispatch does it: on from what its ledger holds, under the next attempt.
  void resume(std::size_t i, Seen& seen) {
    Course& course = courses_[i];
    compare(i, true);
    course.resumed_from += served_.answers[i + 1].tokens.size();
    course.attempt += 1;
    served_.answers[i + 1] = {};
    served_.add(item_of(catalog_, course, i + 1));
    ++seen.resumes;
  }

  void compare(std::size_t i, bool partial) {
    const ServedAnswer wanted = expected(catalog_, courses_[i]);
    const ServedAnswer& got = served_.answers[i + 1];
    if (!complaint_.empty() || (partial ? begins_with(wanted, got) : got == wanted)) return;
    std::ostringstream text;
    text << "request " << i + 1 << ": " << got << " instead of " << wanted;
    complaint_ = text.str();
  }

  Dice random_;
  const Catalog& catalog_;
  Served served_;
  std::uint32_t step_us_max_;
  std::vector<Course> courses_;
  std::uint32_t step_ = 0;
  std::string complaint_;  // the first
};

}  // namespace

messages::Sampling draw_sampling(Dice& random, std::uint32_t tokens_max) {
  messages::Sampling sampling{.temperature = random() % 3 == 0 ? 0.0F : 0.9F,
                              .seed = random(),
                              .choice = random() % 3,
                              .top_logprobs = static_cast<std::int32_t>(random() % 4),
                              .max_tokens = 1 + random() % tokens_max,
                              .ignore_eos = random() % 2 == 0};
  if (random() % 4 == 0) sampling.top_k = 5;
  if (random() % 4 == 0) sampling.top_p = 0.7F;
  if (random() % 4 == 0) sampling.repetition_penalty = 1.3F;
  if (random() % 4 == 0) sampling.presence_penalty = 0.5F;
  return sampling;
}

Catalog::Catalog(actors::infer::Engine& engine, std::vector<messages::WorkItem> requests)
    : items(std::move(requests)) {
  for (const messages::WorkItem& item : items) {
    Served served(engine,
                  {.sequences_max = 1,
                   .step_tokens_max = kScheduleStepTokens,
                   .kv_blocks = kScheduleBlocks,
                   .block_tokens = model::kBlockTokens});
    served.add(item);
    served.run();
    answers.push_back(served.answers[item.request_id]);
    const std::size_t tokens = item.prompt_tokens.size() + item.sampling.max_tokens + 1;
    blocks_min = std::max(blocks_min, model::blocks_for(static_cast<std::int32_t>(tokens)));
  }
}

std::string run_schedule(std::uint32_t seed,
                         actors::infer::Engine& engine,
                         const Catalog& catalog,
                         Seen& seen) {
  return Schedule(seed, engine, catalog).run(seen);
}

std::uint32_t number_from(const char* variable, std::uint32_t otherwise) {
  const char* text = std::getenv(variable);
  return text == nullptr ? otherwise : static_cast<std::uint32_t>(std::strtoul(text, nullptr, 10));
}

}  // namespace troupe::tests
