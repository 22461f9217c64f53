#include "jinja/template.hpp"

#include "jinja/error.hpp"
#include "jinja/evaluator.hpp"
#include "jinja/lexer.hpp"
#include "jinja/parser.hpp"

namespace troupe::jinja {
namespace {

Block compile(std::string_view source) {
  if (source.size() > kSourceBytesMax) {
    throw SyntaxError("the template has " + std::to_string(source.size()) + " bytes, at most " +
                      std::to_string(kSourceBytesMax) + ": shorten it");
  }
  return Parser(tokenize(source)).parse();
}

}  // namespace

Template::Template(std::string_view source) : block_(compile(source)) {}

std::string Template::render(const Dict& variables, std::time_t now, const Limits& limits) const {
  Runtime runtime(limits, now);
  Evaluator evaluator(runtime, variables);
  return evaluator.render(block_);
}

}  // namespace troupe::jinja
