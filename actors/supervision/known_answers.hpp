// What workers answered to the known prompt, and which answer is the right one. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace troupe::actors::supervision {

// Workers with the same numerics_id must say the same, to the bit. Nobody knows the right answer
// beforehand, so the majority of incarnations decides: the first answer is right until another one
// has been given more often. With two that disagree, the later one is wrong, and what the third
// says stands against the other.
class KnownAnswers {
 public:
  // One incarnation's answer: "NUMERICS_ID TOKEN:BITS …" (actors/infer/known_answer.hpp). True when
  // it is right. One that is empty or not finite never is.
  bool add(const std::string& answer);

  // Whether it still is.
  bool is_right(const std::string& answer) const;

 private:
  struct Candidate {
    std::string answer;
    std::uint64_t incarnations = 0;
  };

  // The right one first.
  std::map<std::string, std::vector<Candidate>> candidates_;  // by numerics_id

  // A machine that gives so many different answers gives no right one any more, and no model is
  // replaced so often in the life of a node.
  static constexpr std::size_t kCandidatesMax = 64;
};

}  // namespace troupe::actors::supervision
