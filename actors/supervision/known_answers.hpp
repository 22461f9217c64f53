// What workers answered to the known prompt, and which answer is the right one. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>

namespace troupe::actors::supervision {

// Workers with the same numerics_id must say the same, to the bit. Nobody knows the right answer
// beforehand, so the majority decides: the first answer is right until more children give another
// one. Of each child its latest answer counts, or one that is restarted because it computes wrongly
// would outvote the others in time. So of two that disagree, the later one is wrong, and what the
// third says stands against the other. What was right keeps one vote though those who said it say
// something else now: two children that agree can overthrow it, a single one that has begun to
// compute wrongly cannot, nor can another one that always has. A child that nobody can be compared
// with is judged by how often its incarnations said what.
class KnownAnswers {
 public:
  // What an incarnation of `child` said: "NUMERICS_ID TOKEN:BITS …" (actors/infer/
  // known_answer.hpp). True when it is right. One that is empty or not finite never is.
  bool add(const std::string& child, const std::string& answer);

  // Whether it still is.
  bool is_right(const std::string& answer) const;

 private:
  struct Votes {
    std::string right;
    std::map<std::string, std::string> latest;   // by child
    std::map<std::string, std::uint64_t> given;  // how often which answer was

    // How much speaks for an answer.
    std::uint64_t of(const std::string& answer) const;

    // How much speaks for the right one though no child says it any more: an earlier incarnation
    // did, and served. A lone child's count in `given` anyway.
    std::uint64_t kept() const { return latest.size() > 1 ? 1 : 0; }
  };

  std::map<std::string, Votes> models_;  // by numerics_id

  // A machine that gives so many different answers gives no right one any more, and no model is
  // replaced so often in the life of a node.
  static constexpr std::size_t kDifferentMax = 64;
};

}  // namespace troupe::actors::supervision
