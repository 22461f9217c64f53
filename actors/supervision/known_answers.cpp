#include "actors/supervision/known_answers.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>
#include <utility>

namespace troupe::actors::supervision {
namespace {

std::string numerics_id_of(const std::string& answer) { return answer.substr(0, answer.find(' ')); }

// TOKEN:BITS, of a log-probability in FP32: with all bits of its exponent set it is none (IEEE
// 754).
bool is_finite(const std::string& word) {
  constexpr unsigned long kExponent = 0x7F800000;
  const std::size_t colon = word.find(':');
  if (colon == 0 || colon == std::string::npos || word.front() == '-') return false;
  char* end = nullptr;
  const unsigned long bits = std::strtoul(word.c_str() + colon + 1, &end, 16);
  return end != word.c_str() + colon + 1 && *end == '\0' && (bits & kExponent) != kExponent;
}

bool is_finite_answer(const std::string& answer) {
  std::istringstream words(answer);
  std::string word;
  words >> word;  // the numerics_id
  std::size_t tokens = 0;
  for (; words >> word; ++tokens) {
    if (!is_finite(word)) return false;
  }
  return tokens > 0;
}

}  // namespace

bool KnownAnswers::add(const std::string& answer) {
  if (!is_finite_answer(answer)) return false;
  const std::string id = numerics_id_of(answer);
  if (candidates_.size() >= kCandidatesMax && !candidates_.contains(id)) return false;
  std::vector<Candidate>& candidates = candidates_[id];
  auto own = std::ranges::find(candidates, answer, &Candidate::answer);
  if (own == candidates.end()) {
    if (candidates.size() >= kCandidatesMax) return false;
    own = candidates.insert(own, {.answer = answer});
  }
  ++own->incarnations;
  if (own->incarnations > candidates.front().incarnations) std::swap(*own, candidates.front());
  return is_right(answer);
}

bool KnownAnswers::is_right(const std::string& answer) const {
  const auto found = candidates_.find(numerics_id_of(answer));
  return found != candidates_.end() && found->second.front().answer == answer;
}

}  // namespace troupe::actors::supervision
