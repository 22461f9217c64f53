#include "apps/cgroup_limit.hpp"

#include <charconv>
#include <sstream>
#include <string_view>
#include <vector>

namespace troupe::apps {
namespace {

// One hierarchy: where it is mounted, and which of its groups lies there.
struct Hierarchy {
  bool v2 = false;
  std::string mount;
  std::string root;  // the group that is seen at the mount point; "/" outside containers
};

bool has_word(std::string_view list, std::string_view word) {
  for (std::size_t begin = 0; begin <= list.size();) {
    const std::size_t end = std::min(list.find(',', begin), list.size());
    if (list.substr(begin, end - begin) == word) return true;
    begin = end + 1;
  }
  return false;
}

// Lines like `36 35 98:0 /root /mount rw,noatime shared:1 - cgroup cgroup rw,memory`.
std::vector<Hierarchy> memory_hierarchies(const std::string& mountinfo) {
  std::vector<Hierarchy> found;
  std::istringstream lines(mountinfo);
  for (std::string line; std::getline(lines, line);) {
    std::istringstream words(line);
    Hierarchy hierarchy;
    std::string word;
    words >> word >> word >> word >> hierarchy.root >> hierarchy.mount;
    while (words >> word && word != "-") {
    }
    std::string type;
    std::string source;
    std::string options;
    words >> type >> source >> options;
    hierarchy.v2 = type == "cgroup2";
    const bool v1 = type == "cgroup" && has_word(options, "memory");
    if (hierarchy.v2 || v1) found.push_back(std::move(hierarchy));
  }
  return found;
}

// Lines like `4:memory:/group` of version 1 and `0::/group` of version 2.
std::string group_of(const std::string& cgroup, bool v2) {
  std::istringstream lines(cgroup);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    if (v2 ? controllers.empty() : has_word(controllers, "memory")) return line.substr(second + 1);
  }
  return "/";
}

std::optional<std::uint64_t> number_of(const std::string& text) {
  std::uint64_t bytes = 0;  // "max" of version 2 is no number: no limit
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), bytes);
  return error == std::errc{} ? std::optional(bytes) : std::nullopt;
}

// Version 1 says a number near 2^63 where there is no limit.
constexpr std::uint64_t kNoLimit = std::uint64_t{1} << 60;

void look(const Hierarchy& hierarchy,
          std::string group,
          const ReadFile& read,
          std::optional<MemoryLimit>& lowest) {
  const std::string file = hierarchy.v2 ? "memory.max" : "memory.limit_in_bytes";
  // Seen from the mount point; a group above it is out of sight.
  if (hierarchy.root != "/" && group.starts_with(hierarchy.root)) {
    group = group.substr(hierarchy.root.size());
  }
  while (group.ends_with('/')) group.pop_back();
  for (;;) {
    const auto bytes = number_of(read(hierarchy.mount + group + "/" + file));
    if (bytes && *bytes < kNoLimit && (!lowest || *bytes < lowest->bytes)) {
      const std::string name = group.empty() ? "/" : group;
      lowest = {
          .bytes = *bytes, .source = "the cgroup " + name + " (" + file + ")", .cgroup = true};
    }
    if (group.empty()) return;
    group.resize(group.rfind('/') == std::string::npos ? 0 : group.rfind('/'));
  }
}

}  // namespace

std::optional<MemoryLimit> cgroup_memory_limit(const ReadFile& read) {
  const std::string cgroup = read("/proc/self/cgroup");
  std::optional<MemoryLimit> lowest;
  for (const Hierarchy& hierarchy : memory_hierarchies(read("/proc/self/mountinfo"))) {
    look(hierarchy, group_of(cgroup, hierarchy.v2), read, lowest);
  }
  return lowest;
}

}  // namespace troupe::apps
