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
  // The longest token that the text, which is not empty, starts with. Its time grows with the
  // length of what matches and the logarithm of the number of tokens: a vocabulary may have
  // thousands that begin alike.
  const Token* longest_at(std::string_view text) const;

  std::vector<Token> tokens_;                // sorted by text
  std::array<std::ptrdiff_t, 257> first_{};  // by first byte: where its tokens start
};

}  // namespace troupe::model
