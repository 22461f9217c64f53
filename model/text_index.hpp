// Finds the id of a token's text. Built at every start of a process, so building is what must be
// fast: one array, no allocation for each entry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::model {

class TextIndex {
 public:
  // Of equal texts the first one counts. Keeps a view of `texts`, which must outlive it.
  explicit TextIndex(const std::vector<std::string>& texts);

  std::optional<std::int32_t> find(std::string_view text) const;

 private:
  struct Slot {
    std::uint32_t hash = 0;
    std::int32_t id = -1;  // -1: free
  };

  // Where `text` is, or the free slot where it would be.
  std::size_t slot_of(std::string_view text, std::uint32_t hash) const;

  const std::vector<std::string>* texts_;
  std::vector<Slot> slots_;  // a power of two, at most half full
};

}  // namespace troupe::model
