#include "kernels/device.hpp"

#include <algorithm>
#include <atomic>
#include <boost/test/unit_test.hpp>
#include <string>
#include <thread>
#include <vector>

#include "config/user_error.hpp"
#include "kernels/thread_pool.hpp"

namespace troupe::kernels {
namespace {

std::string error_of(auto&& call) {
  try {
    call();
  } catch (const config::UserError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(device)

BOOST_AUTO_TEST_CASE(a_backend_is_named_by_its_text) {
  BOOST_TEST((parse_cpu_backend("auto") == CpuBackend::kAuto));
  BOOST_TEST((parse_cpu_backend("avx2") == CpuBackend::kAvx2));
  BOOST_TEST(error_of([] { parse_cpu_backend("sse"); }).find("avx512") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_backend_is_made_as_asked_or_refused_with_what_there_is) {
  for (const char* name :
       {"amx", "avx512_bf16", "avx512", "avx512f", "avx_vnni", "avx2", "scalar"}) {
    const auto make = [&] {
      BOOST_TEST(make_cpu_device(1, parse_cpu_backend(name))->backend() == name);
    };
    const std::string error = error_of(make);
    if (error.empty()) continue;
    BOOST_TEST(error.find(std::string(name) + ": this CPU does not have it") != std::string::npos);
    BOOST_TEST(error.find("scalar; use one of these") != std::string::npos);
  }
  BOOST_TEST(make_cpu_device(1, CpuBackend::kScalar)->backend() == "scalar");
}

BOOST_AUTO_TEST_CASE(a_senseless_number_of_threads_is_refused) {
  BOOST_TEST(!error_of([] { make_cpu_device(-1); }).empty());
  BOOST_TEST(!error_of([] { make_cpu_device(100000); }).empty());
  BOOST_TEST(make_cpu_device(0)->threads() >= 1);
}

BOOST_AUTO_TEST_CASE(a_buffer_is_zeroed_and_moves) {
  const auto cpu = make_cpu_device(1);
  DeviceBuffer first = cpu->allocate(5 << 20);
  BOOST_TEST(std::all_of(
      first.data(), first.data() + first.bytes(), [](std::byte b) { return b == std::byte{0}; }));
  const std::byte* data = first.data();
  DeviceBuffer second = std::move(first);
  BOOST_TEST(second.data() == data);
  BOOST_TEST(cpu->allocate(0).data() == nullptr);
}

BOOST_AUTO_TEST_SUITE_END()

BOOST_AUTO_TEST_SUITE(thread_pool)

BOOST_AUTO_TEST_CASE(every_tile_runs_once_in_each_of_many_loops) {
  for (const int threads : {1, 2, 5}) {
    ThreadPool pool(threads);
    BOOST_TEST(pool.threads() == threads);
    std::vector<int> counts(
        97);  // plain ints: a second visit, or a loop that returns early, is a race
    for (int loop = 0; loop < 2000; ++loop) {
      const auto tiles = static_cast<std::uint32_t>(loop) % 97 + 1;
      pool.parallel_for(tiles, [&](std::uint32_t tile, int) { ++counts[tile]; });
    }
    int total = 0;
    for (const int count : counts) total += count;
    int expected = 0;
    for (int loop = 0; loop < 2000; ++loop) expected += loop % 97 + 1;
    BOOST_TEST(total == expected);
  }
}

BOOST_AUTO_TEST_CASE(a_thread_that_is_held_up_loses_the_rest_of_its_range) {
  ThreadPool pool(2);
  std::atomic<int> others{0};
  std::vector<int> taken_by(100, -1);
  // Whoever has the first tile waits until all the others are done: the other thread does them.
  pool.parallel_for(100, [&](std::uint32_t tile, int thread) {
    taken_by[tile] = thread;
    if (tile != 0) ++others;
    while (tile == 0 && others < 99) std::this_thread::yield();
  });
  for (std::size_t tile = 1; tile < 100; ++tile) BOOST_TEST(taken_by[tile] != taken_by[0]);
}

BOOST_AUTO_TEST_CASE(threads_have_their_own_numbers) {
  ThreadPool pool(4);
  std::vector<int> busy(4);  // plain ints: two tiles at once under one number would be a race
  std::atomic<int> wrong{0};
  for (int loop = 0; loop < 500; ++loop) {
    pool.parallel_for(16, [&](std::uint32_t, int thread) {
      if (thread < 0 || thread >= 4) ++wrong;
      ++busy[static_cast<std::size_t>(thread)];
    });
  }
  BOOST_TEST(wrong == 0);
  BOOST_TEST(busy[0] + busy[1] + busy[2] + busy[3] == 500 * 16);
}

BOOST_AUTO_TEST_CASE(loops_may_have_more_tiles_than_fit_16_bits) {
  for (const std::uint32_t tiles : {65'535U, 65'536U, 200'000U}) {
    ThreadPool pool(2);
    std::vector<int> counts(tiles);
    pool.parallel_for(tiles, [&](std::uint32_t tile, int) { ++counts[tile]; });
    BOOST_TEST(std::ranges::count(counts, 1) == tiles);
  }
}

BOOST_AUTO_TEST_CASE(a_loop_without_tiles_returns) {
  ThreadPool pool(2);
  int calls = 0;
  pool.parallel_for(0, [&](std::uint32_t, int) { ++calls; });
  BOOST_TEST(calls == 0);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::kernels
