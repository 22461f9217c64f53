// The ledger's memory: it grows with the queue and the context, and says so.
#include "apps/ledger_memory.hpp"

#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <span>

#include "actors/dispatch/ledger_file.hpp"
#include "config/limits.hpp"

namespace troupe::apps {
namespace {

constexpr std::uint64_t kMib = std::uint64_t{1} << 20;
constexpr std::uint64_t kMemory = 64 * 1024 * kMib;

// A file in memory, as root makes it.
struct MemoryFile {
  explicit MemoryFile(std::size_t bytes) : fd(memfd_create("ledger", 0)) {
    BOOST_REQUIRE(ftruncate(fd, static_cast<off_t>(bytes)) == 0);
  }

  ~MemoryFile() { close(fd); }

  std::uint64_t bytes() const {
    struct stat facts {};

    BOOST_REQUIRE(fstat(fd, &facts) == 0);
    return static_cast<std::uint64_t>(facts.st_size);
  }

  int fd;
};

BOOST_AUTO_TEST_SUITE(ledger_memory)

BOOST_AUTO_TEST_CASE(the_default_queue_with_a_context_of_32k_takes_the_default_size) {
  const LedgerPlan plan =
      plan_ledger({.queued_max = 256, .running_max = 64, .context_max = 32768}, kMemory);
  BOOST_TEST(plan.bytes == config::kLedgerBytes);
  BOOST_TEST(plan.note == "");
}

BOOST_AUTO_TEST_CASE(a_larger_context_or_queue_makes_it_grow_and_says_so) {
  const LedgerPlan plan =
      plan_ledger({.queued_max = 4096, .running_max = 64, .context_max = 131072}, kMemory);
  BOOST_TEST(plan.bytes > 6000 * kMib);
  BOOST_TEST(plan.note.find("MiB of memory for a full queue") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(it_never_grows_beyond_a_quarter_of_the_memory_and_says_what_to_lower) {
  const LedgerPlan plan =
      plan_ledger({.queued_max = 4096, .running_max = 1024, .context_max = 1 << 20}, 4096 * kMib);
  BOOST_TEST(plan.bytes == 1024 * kMib);
  BOOST_TEST(plan.note.find("lower dispatch.queued_max") != std::string::npos);
}

// The sum above holds what the file really writes: a queue of whole prompts and one whole answer.
BOOST_AUTO_TEST_CASE(a_file_of_that_size_is_not_pressed_by_what_it_was_made_for) {
  const LedgerLoad load{.queued_max = 8, .running_max = 2, .context_max = 4096};
  std::vector<std::uint64_t> memory(ledger_bytes(load) / 8 + 1);
  actors::dispatch::LedgerFile file(std::as_writable_bytes(std::span(memory)), memory.size() * 8);
  const auto keep = [](std::uint64_t) { return true; };
  for (std::uint64_t id = 1; id <= load.queued_max; ++id) {
    messages::TokenizedRequest request{.request_id = id};
    request.prompt_tokens.assign(load.context_max, 100'000);
    file.accept(request, 1, keep);
  }
  for (std::uint32_t i = 0; i < load.running_max * load.context_max; ++i) {
    file.append({.request_id = 1 + i % load.running_max,
                 .attempt = 1,
                 .position = i / static_cast<std::uint32_t>(load.running_max),
                 .token = 100'000},
                keep);
  }
  BOOST_TEST(!file.pressed());
  BOOST_TEST(file.lost() == 0U);
}

BOOST_AUTO_TEST_CASE(only_a_file_that_no_front_has_used_grows) {
  const MemoryFile fresh(kMib);
  BOOST_TEST(grow_ledger(fresh.fd, 3 * kMib));
  BOOST_TEST(fresh.bytes() == 3 * kMib);
  BOOST_TEST(grow_ledger(fresh.fd, 2 * kMib));
  BOOST_TEST(fresh.bytes() == 3 * kMib);
  const std::uint64_t word = 1;
  BOOST_REQUIRE(pwrite(fresh.fd, &word, sizeof word, 0) == sizeof word);
  BOOST_TEST(grow_ledger(fresh.fd, 4 * kMib));
  BOOST_TEST(fresh.bytes() == 3 * kMib);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::apps
