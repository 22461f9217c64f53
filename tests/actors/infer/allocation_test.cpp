// A step of sequences that the engine knows allocates nothing: forward pass, sampling, and the
// output itself. The line is drawn at Engine::run: what takes the output into frames (msgpack,
// ZeroMQ) is outside, because a frame leaves the process and its memory with it; and so is a
// sequence's first step, which makes room for all its later ones.
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <boost/test/unit_test.hpp>
#include <cerrno>
#include <cstdint>

#include "tests/actors/infer/served.hpp"

// Every way to memory of this executable counts: operator new ends in malloc.
namespace {
std::atomic<std::uint64_t> allocations{0};
}

extern "C" {
void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* old, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);

void* malloc(std::size_t bytes) {
  ++allocations;
  return __libc_malloc(bytes);
}

void* calloc(std::size_t count, std::size_t bytes) {
  ++allocations;
  return __libc_calloc(count, bytes);
}

void* realloc(void* old, std::size_t bytes) {
  ++allocations;
  return __libc_realloc(old, bytes);
}

void* aligned_alloc(std::size_t alignment, std::size_t bytes) {
  ++allocations;
  return __libc_memalign(alignment, bytes);
}

int posix_memalign(void** to, std::size_t alignment, std::size_t bytes) {
  ++allocations;
  *to = __libc_memalign(alignment, bytes);
  return *to == nullptr ? ENOMEM : 0;
}

void* mmap(
    void* at, std::size_t bytes, int protection, int flags, int file, off_t offset) noexcept {
  ++allocations;
  return reinterpret_cast<void*>(syscall(SYS_mmap, at, bytes, protection, flags, file, offset));
}
}

namespace troupe::tests {
namespace {

constexpr std::int32_t kPrompt = 20;

// Every way to sample that there is, each by one sequence.
std::vector<messages::Sampling> samplings() {
  std::vector<messages::Sampling> all(6);
  all[0].temperature = 0;
  all[1].top_k = 20;
  all[2].top_p = 0.9F;
  all[3].min_p = 0.05F;
  all[3].top_logprobs = 5;
  all[4].repetition_penalty = 1.2F;
  all[4].frequency_penalty = 0.3F;
  all[5].min_tokens = 500;
  all[5].logit_bias = {{3, 1.0F}};
  for (messages::Sampling& sampling : all) {
    sampling.max_tokens = 1000;
    sampling.ignore_eos = true;
  }
  return all;
}

// Step `step` of sequences that have a prompt of kPrompt tokens and ten blocks each.
messages::Batch batch_of(std::int32_t step) {
  messages::Batch batch{.step = static_cast<std::uint64_t>(step)};
  std::uint64_t id = 0;
  for (const messages::Sampling& sampling : samplings()) {
    messages::BatchSlice slice{.request_id = ++id, .sample = true};
    slice.position = step == 0 ? 0 : kPrompt + step - 1;
    slice.count = step == 0 ? kPrompt : 1;
    for (std::int32_t i = 0; i < 10; ++i) {
      slice.blocks.push_back(static_cast<std::int32_t>(id - 1) * 10 + i);
    }
    batch.slices.push_back(slice);
    if (step == 0) {
      batch.joined.push_back({.request_id = id,
                              .prompt_tokens = std::vector<std::int32_t>(kPrompt, 65),
                              .sampling = sampling});
    }
  }
  return batch;
}

void check(model::Precision precision, kernels::CpuBackend backend) {
  TinyEngine tiny(
      {.threads = 2, .precision = precision, .kv = kernels::KvType::kBf16, .backend = backend});
  constexpr std::int32_t kWarm = 40;  // until every scratch has met its largest step
  constexpr std::int32_t kCounted = 100;
  std::vector<messages::Batch> batches;
  for (std::int32_t step = 0; step < kWarm + kCounted; ++step) batches.push_back(batch_of(step));
  for (std::size_t step = 0; step < kWarm; ++step) tiny.engine.run(batches[step]);
  const std::uint64_t before = allocations.load();
  std::int64_t tokens = 0;
  for (std::size_t step = kWarm; step < batches.size(); ++step) {
    const auto& output = tiny.engine.run(batches[step]);
    for (const auto& event : output.frame.events) tokens += event.token >= 0 ? 1 : 0;
  }
  const std::uint64_t counted = allocations.load() - before;
  BOOST_TEST(counted == 0U);
  BOOST_TEST(tokens == 6 * kCounted);  // and it did its work
}

BOOST_AUTO_TEST_SUITE(allocation)

BOOST_AUTO_TEST_CASE(the_counter_counts) {
  const std::uint64_t before = allocations.load();
  const auto memory = std::make_unique<std::vector<int>>(1000);
  BOOST_TEST(memory->size() == 1000U);
  BOOST_TEST(allocations.load() - before >= 2U);
}

BOOST_AUTO_TEST_CASE(a_step_of_known_sequences_allocates_nothing_in_int8) {
  check(model::Precision::kDefault, kernels::CpuBackend::kAuto);
}

BOOST_AUTO_TEST_CASE(a_step_of_known_sequences_allocates_nothing_in_exact) {
  check(model::Precision::kExact, kernels::CpuBackend::kAuto);
}

BOOST_AUTO_TEST_CASE(a_step_of_known_sequences_allocates_nothing_in_q4) {
  check(model::Precision::kQ4, kernels::CpuBackend::kAuto);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::tests
