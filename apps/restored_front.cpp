#include "apps/restored_front.hpp"

#include <sys/mman.h>
#include <sys/stat.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "config/limits.hpp"

namespace troupe::apps {
namespace {

namespace aggregate = actors::aggregate;
namespace dispatch = actors::dispatch;

void restore(const dispatch::RestoredRequest& old, RestoredFront& front) {
  actors::gateway::RestoredAnswer answer{.request = old.request, .chunks = {}};
  std::vector<messages::ReplyFinished> finished;
  const auto take = [&](aggregate::Replies replies) {
    std::ranges::move(replies.chunks, std::back_inserter(answer.chunks));
    std::ranges::move(replies.finished, std::back_inserter(finished));
  };
  take(front.aggregator->on_plan(dispatch::plan_of(old.request)));
  take(front.aggregator->on_tokens({old.events}));
  if (old.end && old.end->failed) take(front.aggregator->on_failure(old.end->failure));
  front.answers.push_back(std::move(answer));
  if (old.end) return front.memory.ended.push_back(dispatch::end_of(old));
  dispatch::RestoredEntry restored = dispatch::entry_of(old);
  restored.entry.end_proposed = !finished.empty();
  front.memory.restored.push_back(std::move(restored));
  std::ranges::move(finished, std::back_inserter(front.finished));
}

}  // namespace

RestoredFront restore_front(std::shared_ptr<dispatch::LedgerFile> file,
                            std::shared_ptr<const model::Tokenizer> tokenizer,
                            aggregate::Aggregator::Probe probe,
                            std::chrono::milliseconds ended_kept,
                            dispatch::Time now) {
  RestoredFront front{
      .aggregator = std::make_shared<aggregate::Aggregator>(std::move(tokenizer), std::move(probe)),
      .memory = {.file = file, .restored = {}, .ended = {}, .ended_kept = ended_kept},
      .answers = {},
      .finished = {},
      .lost = 0};
  if (!file) return front;
  const dispatch::TakenOver taken = dispatch::take_from(*file, ended_kept, now);
  for (const dispatch::RestoredRequest& old : taken.requests) restore(old, front);
  front.lost = taken.lost;
  return front;
}

std::shared_ptr<dispatch::LedgerFile> open_ledger(int memory_fd) {
  struct stat facts {};

  if (memory_fd < 0 || fstat(memory_fd, &facts) != 0) return nullptr;
  const auto bytes = static_cast<std::size_t>(facts.st_size);
  void* memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, memory_fd, 0);
  if (memory == MAP_FAILED) return nullptr;
  // Pages of the half that was left go back to the system.
  const auto discard = [](std::span<std::byte> half) {
    constexpr std::uintptr_t kPage = 4096;
    const auto begin = (reinterpret_cast<std::uintptr_t>(half.data()) + kPage - 1) & ~(kPage - 1);
    const auto end = reinterpret_cast<std::uintptr_t>(half.data() + half.size()) & ~(kPage - 1);
    (void)madvise(reinterpret_cast<void*>(begin), end - begin, MADV_REMOVE);
  };
  return std::make_shared<dispatch::LedgerFile>(
      std::span(static_cast<std::byte*>(memory), bytes), config::kLedgerCleanBytes, discard);
}

}  // namespace troupe::apps
