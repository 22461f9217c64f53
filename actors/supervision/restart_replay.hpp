// The children of a supervisor as its restart.log tells them: what which_children() said when the
// last line was written.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>

#include "actors/supervision/action.hpp"

namespace troupe::actors::supervision {

class RestartReplay {
 public:
  // Lines of other supervisors, and such as are none, change nothing. One of the supervisor itself
  // forgets its children: it says that it starts or ends, also after a death without last words.
  explicit RestartReplay(std::string supervisor) : supervisor_(std::move(supervisor)) {}

  void add(std::string_view line);

  // By name. A child that is not there, or undefined, does not run.
  const std::map<std::string, ChildView>& children() const { return children_; }

 private:
  std::string supervisor_;
  std::map<std::string, ChildView> children_;
};

}  // namespace troupe::actors::supervision
