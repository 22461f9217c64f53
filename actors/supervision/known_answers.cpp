#include "actors/supervision/known_answers.hpp"

#include <algorithm>
#include <cstdlib>
#include <sstream>

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

bool KnownAnswers::add(const std::string& child, const std::string& answer) {
  if (!is_finite_answer(answer)) return false;
  const std::string id = numerics_id_of(answer);
  if (models_.size() >= kDifferentMax && !models_.contains(id)) return false;
  Votes& votes = models_[id];
  if (votes.given.size() >= kDifferentMax && !votes.given.contains(answer)) return false;
  if (votes.given.empty()) votes.right = answer;
  ++votes.given[answer];
  votes.latest[child] = answer;
  if (votes.of(answer) > std::max(votes.of(votes.right), votes.kept())) votes.right = answer;
  return is_right(answer);
}

bool KnownAnswers::is_right(const std::string& answer) const {
  const auto found = models_.find(numerics_id_of(answer));
  return found != models_.end() && found->second.right == answer;
}

std::uint64_t KnownAnswers::Votes::of(const std::string& answer) const {
  if (latest.size() == 1) return given.contains(answer) ? given.at(answer) : 0;
  const auto says_so = [&answer](const auto& entry) { return entry.second == answer; };
  return static_cast<std::uint64_t>(std::ranges::count_if(latest, says_so));
}

}  // namespace troupe::actors::supervision
