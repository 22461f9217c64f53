// How a template fails: at compiling, for what its author wrote, and at rendering, for what it was
// given or what it refuses.
#pragma once

#include <stdexcept>
#include <string>

namespace troupe::jinja {

// The template cannot be compiled. The text names the line, what is wrong and what to do.
struct SyntaxError : std::invalid_argument {
  explicit SyntaxError(const std::string& text) : std::invalid_argument(text) {}
};

// Rendering failed where Python would raise, or went beyond a bound of limits.hpp.
struct RenderError : std::invalid_argument {
  explicit RenderError(const std::string& text) : std::invalid_argument(text) {}
};

// The template itself refused by raise_exception(message): the text is the message and no more.
struct Refusal : RenderError {
  explicit Refusal(const std::string& message) : RenderError(message) {}
};

}  // namespace troupe::jinja
