// map, select, reject and their kin, and where all filters are looked up.
#include "jinja/attribute_path.hpp"
#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/operations.hpp"

namespace troupe::jinja {
namespace {

std::string take_name(Arguments& arguments, const char* what) {
  if (arguments.positional.empty()) throw RenderError(what);
  const Value name = arguments.positional.front();
  arguments.positional.erase(arguments.positional.begin());
  if (!name.is_text()) throw RenderError("a filter or test is named by a string");
  return name.as_text()->bytes;
}

Value map(Runtime& runtime, const Value& value, Arguments& arguments) {
  Items mapped;
  const auto attribute = arguments.positional.empty() ? arguments.take("attribute") : std::nullopt;
  if (attribute) {
    auto otherwise = arguments.take("default");
    if (otherwise && otherwise->is_none()) otherwise.reset();
    if (!arguments.named.empty()) {
      throw RenderError("Unexpected keyword argument '" + shortened(arguments.named[0].first) +
                        "'");
    }
    const AttributePath path(runtime.budget, *attribute, otherwise);
    for (const Value& item : ItemView(runtime.budget, value)) {
      push(runtime.budget, mapped, path.follow(runtime, item));
    }
    return make_generator(runtime.budget, std::move(mapped));
  }
  if (!is_true(value)) return make_generator(runtime.budget, {});
  const std::string name = take_name(arguments, "map requires a filter argument");
  for (const Value& item : ItemView(runtime.budget, value)) {
    push(runtime.budget, mapped, runtime.filter(name, item, arguments));
  }
  return make_generator(runtime.budget, std::move(mapped));
}

template <bool kKeeps, bool kByAttribute>
Value select(Runtime& runtime, const Value& value, Arguments& arguments) {
  Items kept;
  if (!is_true(value)) return make_generator(runtime.budget, {});
  Value attribute;
  if (kByAttribute) {
    if (arguments.positional.empty()) {
      throw RenderError("Missing parameter for attribute name");
    }
    attribute = arguments.positional.front();
    arguments.positional.erase(arguments.positional.begin());
  }
  const bool has_test = !arguments.positional.empty();
  const AttributePath path(runtime.budget, attribute);
  const std::string name = has_test ? take_name(arguments, "") : "";
  for (const Value& item : ItemView(runtime.budget, value)) {
    const Value judged = path.follow(runtime, item);
    const bool passes = has_test ? runtime.test(name, judged, arguments) : is_true(judged);
    if (passes == kKeeps) push(runtime.budget, kept, item);
  }
  return make_generator(runtime.budget, std::move(kept));
}

}  // namespace

Filter find_selection_filter(std::string_view name) {
  static constexpr Named<Filter> kFilters[] = {{"map", map},
                                               {"select", select<true, false>},
                                               {"reject", select<false, false>},
                                               {"selectattr", select<true, true>},
                                               {"rejectattr", select<false, true>}};
  return find_named(kFilters, name);
}

Filter find_filter(std::string_view name) {
  if (const Filter filter = find_text_filter(name)) return filter;
  if (const Filter filter = find_number_filter(name)) return filter;
  if (const Filter filter = find_sequence_filter(name)) return filter;
  return find_selection_filter(name);
}

}  // namespace troupe::jinja
