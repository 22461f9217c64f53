#include "model/special_tokens.hpp"

#include <algorithm>
#include <utility>

#include "config/check.hpp"

namespace troupe::model {

SpecialTokenFinder::SpecialTokenFinder(std::vector<Token> tokens) {
  std::sort(tokens.begin(), tokens.end(), [](const Token& a, const Token& b) {
    return a.text.size() > b.text.size();
  });
  for (Token& token : tokens) {
    CHECK(!token.text.empty(), "an empty token would be found everywhere");
    by_first_byte_[static_cast<unsigned char>(token.text[0])].push_back(std::move(token));
  }
}

std::optional<SpecialTokenFinder::Hit> SpecialTokenFinder::find(std::string_view text,
                                                                std::size_t from) const {
  for (std::size_t at = from; at < text.size(); ++at) {
    for (const Token& token : by_first_byte_[static_cast<unsigned char>(text[at])]) {
      if (text.compare(at, token.text.size(), token.text) == 0) {
        return Hit{at, token.text.size(), token.id};
      }
    }
  }
  return std::nullopt;
}

}  // namespace troupe::model
