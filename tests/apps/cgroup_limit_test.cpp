// Limits of control groups, read from files as the kernel shows them.
#include "apps/cgroup_limit.hpp"

#include <boost/test/unit_test.hpp>
#include <map>

namespace troupe::apps {
namespace {

using Files = std::map<std::string, std::string>;

constexpr const char* kMountV1 =
    "30 24 0:26 / /sys/fs/cgroup/cpu rw,relatime shared:5 - cgroup cgroup rw,cpu\n"
    "31 24 0:27 / /sys/fs/cgroup/memory rw,relatime shared:6 - cgroup cgroup rw,memory\n";
constexpr const char* kMountV2 =
    "32 24 0:28 / /sys/fs/cgroup rw,relatime - cgroup2 cgroup2 rw,nsdelegate\n";
constexpr const char* kNoLimitV1 = "9223372036854771712\n";

std::optional<MemoryLimit> limit_in(const Files& files) {
  return cgroup_memory_limit([&](const std::string& path) {
    const auto found = files.find(path);
    return found == files.end() ? std::string{} : found->second;
  });
}

BOOST_AUTO_TEST_SUITE(cgroup_limit)

BOOST_AUTO_TEST_CASE(without_groups_there_is_no_limit) {
  BOOST_TEST(!limit_in({}));
  BOOST_TEST(!limit_in({{"/proc/self/cgroup", "0::/a\n"}, {"/proc/self/mountinfo", ""}}));
}

BOOST_AUTO_TEST_CASE(version_2_says_max_where_there_is_none) {
  const auto limit = limit_in({{"/proc/self/cgroup", "0::/a/b\n"},
                               {"/proc/self/mountinfo", kMountV2},
                               {"/sys/fs/cgroup/a/b/memory.max", "max\n"},
                               {"/sys/fs/cgroup/a/memory.max", "max\n"}});
  BOOST_TEST(!limit);
}

BOOST_AUTO_TEST_CASE(the_lowest_of_all_ancestors_holds_in_version_2) {
  const auto limit = limit_in({{"/proc/self/cgroup", "0::/a/b/c\n"},
                               {"/proc/self/mountinfo", kMountV2},
                               {"/sys/fs/cgroup/a/b/c/memory.max", "3000\n"},
                               {"/sys/fs/cgroup/a/b/memory.max", "2000\n"},
                               {"/sys/fs/cgroup/a/memory.max", "max\n"}});
  BOOST_REQUIRE(limit);
  BOOST_TEST(limit->bytes == 2000U);
  BOOST_TEST(limit->source == "the cgroup /a/b (memory.max)");
  BOOST_TEST(limit->cgroup);
}

BOOST_AUTO_TEST_CASE(the_lowest_of_all_ancestors_holds_in_version_1) {
  const auto limit = limit_in({{"/proc/self/cgroup", "4:memory:/a/b\n3:cpu:/other\n0::/\n"},
                               {"/proc/self/mountinfo", kMountV1},
                               {"/sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", kNoLimitV1},
                               {"/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "5000\n"},
                               {"/sys/fs/cgroup/memory/memory.limit_in_bytes", kNoLimitV1}});
  BOOST_REQUIRE(limit);
  BOOST_TEST(limit->bytes == 5000U);
  BOOST_TEST(limit->source == "the cgroup /a (memory.limit_in_bytes)");
}

BOOST_AUTO_TEST_CASE(where_both_versions_are_mounted_the_lower_limit_holds) {
  Files files;
  files["/proc/self/cgroup"] = "4:cpu,memory:/a\n0::/b\n";
  files["/proc/self/mountinfo"] = kMountV1;
  files["/proc/self/mountinfo"].append("32 24 0:28 / /u rw - cgroup2 cgroup2 rw\n");
  files["/sys/fs/cgroup/memory/a/memory.limit_in_bytes"] = "5000\n";
  files["/u/b/memory.max"] = "4000\n";
  BOOST_TEST(limit_in(files)->bytes == 4000U);
  files["/u/b/memory.max"] = "6000\n";
  BOOST_TEST(limit_in(files)->bytes == 5000U);
}

BOOST_AUTO_TEST_CASE(in_a_container_the_mount_shows_its_own_group) {
  const auto limit = limit_in(
      {{"/proc/self/cgroup", "4:memory:/docker/x/inner\n"},
       {"/proc/self/mountinfo",
        "31 24 0:27 /docker/x /sys/fs/cgroup/memory ro master:1 - cgroup cgroup rw,memory\n"},
       {"/sys/fs/cgroup/memory/inner/memory.limit_in_bytes", kNoLimitV1},
       {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "7000\n"}});
  BOOST_REQUIRE(limit);
  BOOST_TEST(limit->bytes == 7000U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::apps
