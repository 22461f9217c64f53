// A compiled Jinja template, as chat templates use the language: jinja2's sandbox with trim_blocks,
// lstrip_blocks and loop controls, and the functions that transformers adds. The subset and the
// bounds: docs/decisions/0018-chat-templates.md.
#pragma once

#include <ctime>
#include <string>
#include <string_view>

#include "jinja/limits.hpp"
#include "jinja/syntax.hpp"
#include "jinja/value.hpp"

namespace troupe::jinja {

class Template {
 public:
  // Throws SyntaxError with the line.
  explicit Template(std::string_view source);

  // `now` is what strftime_now formats, in local time. May be called by several threads at once,
  // each with variables of its own. Throws RenderError, of it Refusal for raise_exception.
  std::string render(const Dict& variables, std::time_t now, const Limits& limits = {}) const;

 private:
  Block block_;
};

}  // namespace troupe::jinja
