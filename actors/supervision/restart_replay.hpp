// The children of every supervisor as restart.log tells them: what which_children() said when the
// last line was written.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "actors/supervision/action.hpp"

namespace troupe::actors::supervision {

class RestartReplay {
 public:
  using Children = std::map<std::string, ChildView>;  // by name

  // Text that is no line of the log changes nothing. A line of a supervisor itself forgets its
  // children: it says that it starts or ends, also after a death without last words. So does the
  // death of a process that is a supervisor.
  void add(std::string_view line);

  // A child that is not there, or undefined, does not run.
  const Children& children(const std::string& supervisor) const;

 private:
  void forget(Children& children);

  std::map<std::string, Children> supervisors_;
};

}  // namespace troupe::actors::supervision
