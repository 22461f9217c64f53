#include "jinja/globals.hpp"

#include "jinja/builtins.hpp"
#include "jinja/error.hpp"
#include "jinja/limits.hpp"
#include "jinja/operations.hpp"
#include "jinja/parameters.hpp"

namespace troupe::jinja {
namespace {

using GlobalFunction = Value (*)(Runtime&, Arguments&);

class Function : public Object {
 public:
  explicit Function(GlobalFunction function) : function_(function) {}

  std::string type_name() const override { return "function"; }

  Value call(Runtime& runtime, Arguments arguments) override {
    return function_(runtime, arguments);
  }

 private:
  GlobalFunction function_;
};

Value raise_exception(Runtime& runtime, Arguments& arguments) {
  const Parameters parameters("raise_exception", arguments, {"message"}, 1);
  throw Refusal(to_text(runtime.budget, parameters.at(0)));
}

Value strftime_now(Runtime& runtime, Arguments& arguments) {
  const Parameters parameters("strftime_now", arguments, {"format"}, 1);
  // Longer than any date is written.
  constexpr std::size_t kFormatBytesMax = 256;
  const std::string_view format = parameters.text_or(0, "");
  if (format.size() > kFormatBytesMax) throw RenderError("strftime_now: the format is too long");
  std::tm time{};
  localtime_r(&runtime.now, &time);
  char text[4096];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
  const std::size_t size = std::strftime(text, sizeof text, std::string(format).c_str(), &time);
#pragma GCC diagnostic pop
  return make_text(runtime.budget, std::string(text, size));
}

Value range(Runtime& runtime, Arguments& arguments) {
  Parameters parameters("range", arguments, {"start", "stop", "step"}, 1);
  const bool has_start = parameters.has(1);
  const std::int64_t start = has_start ? parameters.integer_or(0, 0) : 0;
  const std::int64_t stop = parameters.integer_or(has_start ? 1 : 0, 0);
  const std::int64_t step = parameters.integer_or(2, 1);
  if (step == 0) throw RenderError("range() arg 3 must not be zero");
  Items items;
  for (std::int64_t i = start; step > 0 ? i < stop : i > stop;) {
    if (items.size() >= kRangeItemsMax) {
      throw RenderError("Range too big. The sandbox blocks ranges larger than MAX_RANGE (" +
                        std::to_string(kRangeItemsMax) + ").");
    }
    push(runtime.budget, items, i);
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  const std::string bounds = std::to_string(start) + ", " + std::to_string(stop);
  const std::string label =
      "range(" + bounds + (step == 1 ? ")" : ", " + std::to_string(step) + ")");
  return make_sequence(runtime.budget, SequenceKind::kRange, std::move(items), label);
}

// Calls `set(key, value)` for what dict(…) and namespace(…) take: one mapping or a sequence of
// pairs, then named arguments.
template <typename Set>
void take_entries(Runtime& runtime, Arguments& arguments, Set set) {
  if (arguments.positional.size() > 1) {
    throw RenderError("dict expected at most 1 argument, got " +
                      std::to_string(arguments.positional.size()));
  }
  for (const Value& argument : arguments.positional) {
    if (const Dict* dict = argument.as_dict()) {
      for (const auto& [key, value] : dict->items) set(key, value);
      continue;
    }
    for (const Value& entry : ItemView(runtime.budget, argument)) {
      const ItemView pair(runtime.budget, entry);
      if (pair.size() != 2) throw RenderError("a dict is made of pairs");
      set(pair[0], pair[1]);
    }
  }
  for (const auto& [name, value] : arguments.named) set(copy_text(runtime.budget, name), value);
}

Value make_dict(Runtime& runtime, Arguments& arguments) {
  Dict dict;
  take_entries(runtime, arguments, [&](const Value& key, const Value& value) {
    dict.set(runtime.budget, key, value);
  });
  return make_dict(runtime.budget, std::move(dict));
}

Value make_namespace(Runtime& runtime, Arguments& arguments) {
  const auto made = std::make_shared<Namespace>();
  runtime.budget.charge(sizeof(Namespace) + kBlockBytes);
  runtime.empty_at_end(made);
  take_entries(runtime, arguments, [&](const Value& key, const Value& value) {
    made->set(runtime.budget, key, value);
  });
  return Value(std::shared_ptr<Object>(made));
}

}  // namespace

std::optional<Value> Namespace::attribute(Budget& budget, std::string_view name) {
  const Value* found = attributes_.find(budget, name);
  return found == nullptr ? std::nullopt : std::optional(*found);
}

void Namespace::set(Budget& budget, const Value& name, Value value) {
  if (name.is_text() && name.as_text()->bytes.starts_with('_')) {
    throw RenderError("a namespace keeps no names that begin with an underscore: " +
                      shortened(name.as_text()->bytes));
  }
  attributes_.set(budget, name, std::move(value));
}

std::optional<Value> find_global(Budget& budget, std::string_view name) {
  static constexpr Named<GlobalFunction> kFunctions[] = {{"raise_exception", raise_exception},
                                                         {"strftime_now", strftime_now},
                                                         {"range", range},
                                                         {"dict", make_dict},
                                                         {"namespace", make_namespace}};
  const GlobalFunction function = find_named(kFunctions, name);
  if (function == nullptr) return std::nullopt;
  return make_object<Function>(budget, function);
}

}  // namespace troupe::jinja
