// What a process knows of its stages at any moment, for `troupe status`. Thread-safe.
#pragma once

#include <atomic>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "messages/control.hpp"

namespace troupe::actors::supervision {

class StageTable {
 public:
  using Counter = std::atomic<std::uint32_t>;

  // A row for a stage that has not started; the counter is its mailbox, and lives with the table.
  Counter& add(const std::string& name, std::uint64_t actor);

  // What its supervisor says of it. `reason`: why its latest incarnation ended; empty: as before.
  void set(std::string_view name,
           const char* state,
           std::uint64_t generation,
           std::uint32_t restarts,
           const std::string& reason);

  std::vector<messages::StageStatus> rows() const;  // in the order of add

 private:
  struct Row {
    messages::StageStatus status;
    Counter mailbox = 0;
  };

  mutable std::mutex mutex_;
  std::deque<Row> rows_;  // a deque: rows keep their place
};

}  // namespace troupe::actors::supervision
