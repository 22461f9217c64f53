// Finds special tokens (<|im_start|>) in text.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::model {

class SpecialTokenFinder {
 public:
  struct Token {
    std::string text;  // never empty
    std::int32_t id = 0;
  };

  struct Hit {
    std::size_t at = 0;
    std::size_t bytes = 0;
    std::int32_t id = 0;
  };

  SpecialTokenFinder() = default;
  explicit SpecialTokenFinder(std::vector<Token> tokens);

  // The leftmost at or after `from`; of several that start there the longest.
  std::optional<Hit> find(std::string_view text, std::size_t from) const;

 private:
  std::array<std::vector<Token>, 256> by_first_byte_;  // longest first
};

}  // namespace troupe::model
