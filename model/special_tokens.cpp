#include "model/special_tokens.hpp"

#include <algorithm>
#include <utility>

#include "config/check.hpp"

namespace troupe::model {
namespace {

unsigned char byte_at(std::string_view text, std::size_t at) {
  return static_cast<unsigned char>(text[at]);
}

}  // namespace

SpecialTokenFinder::SpecialTokenFinder(std::vector<Token> tokens) : tokens_(std::move(tokens)) {
  // Of two with the same text the first stays the first.
  std::stable_sort(tokens_.begin(), tokens_.end(), [](const Token& a, const Token& b) {
    return a.text < b.text;
  });
  for (const Token& token : tokens_) {
    CHECK(!token.text.empty(), "an empty token would be found everywhere");
    ++first_[byte_at(token.text, 0) + 1U];
  }
  for (std::size_t byte = 1; byte < first_.size(); ++byte) {
    first_[byte] += first_[byte - 1];
  }
}

const SpecialTokenFinder::Token* SpecialTokenFinder::longest_at(std::string_view text) const {
  auto begin = tokens_.begin() + first_[byte_at(text, 0)];
  auto end = tokens_.begin() + first_[byte_at(text, 0) + 1U];
  const Token* longest = nullptr;
  // All in [begin, end) start with the first `same` bytes of the text; one that is no longer than
  // that sorts before the others.
  for (std::size_t same = 1; begin != end; ++same) {
    if (begin->text.size() == same) {
      longest = &*begin;
    }
    if (same == text.size()) {
      break;
    }
    const unsigned char next = byte_at(text, same);
    begin = std::partition_point(begin, end, [&](const Token& token) {
      return token.text.size() == same || byte_at(token.text, same) < next;
    });
    end = std::partition_point(
        begin, end, [&](const Token& token) { return byte_at(token.text, same) == next; });
  }
  return longest;
}

std::optional<SpecialTokenFinder::Hit> SpecialTokenFinder::find(std::string_view text,
                                                                std::size_t from) const {
  for (std::size_t at = from; at < text.size(); ++at) {
    if (const Token* token = longest_at(text.substr(at))) {
      return Hit{at, token->text.size(), token->id};
    }
  }
  return std::nullopt;
}

}  // namespace troupe::model
