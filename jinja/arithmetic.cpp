#include <cmath>

#include "jinja/error.hpp"
#include "jinja/format.hpp"
#include "jinja/operations.hpp"

namespace troupe::jinja {
namespace {

constexpr const char* kSymbols[] = {"+", "-", "*", "/", "//", "%", "**"};

[[noreturn]] void fail_types(BinaryOperator binary, const Value& left, const Value& right) {
  if (left.is_undefined()) fail_undefined(left);
  if (right.is_undefined()) fail_undefined(right);
  throw RenderError("unsupported operand type(s) for " +
                    std::string(kSymbols[static_cast<std::size_t>(binary)]) + ": '" +
                    left.type_name() + "' and '" + right.type_name() + "'");
}

std::int64_t power(std::int64_t base, std::int64_t exponent) {
  std::int64_t result = 1;
  // Anything but 0, 1 and -1 is beyond 64 bits after 63 factors.
  if (exponent > 64 && (base > 1 || base < -1)) fail_large();
  if (exponent > 64) exponent = 64 + exponent % 2;
  for (std::int64_t i = 0; i < exponent; ++i) {
    if (__builtin_mul_overflow(result, base, &result)) fail_large();
  }
  return result;
}

std::int64_t floor_divide(std::int64_t left, std::int64_t right) {
  if (right == 0) throw RenderError("integer division or modulo by zero");
  if (right == -1) {
    std::int64_t result = 0;
    if (__builtin_sub_overflow(std::int64_t{0}, left, &result)) fail_large();
    return result;
  }
  const std::int64_t quotient = left / right;
  return left % right != 0 && (left < 0) != (right < 0) ? quotient - 1 : quotient;
}

std::int64_t floor_modulo(std::int64_t left, std::int64_t right) {
  if (right == 0) throw RenderError("integer division or modulo by zero");
  if (right == -1) return 0;
  const std::int64_t rest = left % right;
  return rest != 0 && (rest < 0) != (right < 0) ? rest + right : rest;
}

Value apply_integers(BinaryOperator binary, std::int64_t left, std::int64_t right) {
  std::int64_t result = 0;
  bool overflows = false;
  switch (binary) {
    case BinaryOperator::kAdd:
      overflows = __builtin_add_overflow(left, right, &result);
      break;
    case BinaryOperator::kSubtract:
      overflows = __builtin_sub_overflow(left, right, &result);
      break;
    case BinaryOperator::kMultiply:
      overflows = __builtin_mul_overflow(left, right, &result);
      break;
    case BinaryOperator::kDivide:
      if (right == 0) throw RenderError("division by zero");
      return static_cast<double>(left) / static_cast<double>(right);
    case BinaryOperator::kFloor:
      return floor_divide(left, right);
    case BinaryOperator::kModulo:
      return floor_modulo(left, right);
    case BinaryOperator::kPower:
      if (right >= 0) return power(left, right);
      if (left == 0) throw RenderError("0.0 cannot be raised to a negative power");
      return std::pow(static_cast<double>(left), static_cast<double>(right));
  }
  if (overflows) fail_large();
  return result;
}

double float_modulo(double left, double right) {
  const double rest = std::fmod(left, right);
  if (rest == 0) return std::copysign(0.0, right);
  return (rest < 0) != (right < 0) ? rest + right : rest;
}

Value apply_floats(BinaryOperator binary, double left, double right) {
  const bool divides = binary == BinaryOperator::kDivide || binary == BinaryOperator::kFloor ||
                       binary == BinaryOperator::kModulo;
  if (divides && right == 0) throw RenderError("float division by zero");
  switch (binary) {
    case BinaryOperator::kAdd:
      return left + right;
    case BinaryOperator::kSubtract:
      return left - right;
    case BinaryOperator::kMultiply:
      return left * right;
    case BinaryOperator::kDivide:
      return left / right;
    case BinaryOperator::kFloor:
      return std::floor((left - float_modulo(left, right)) / right + 0.5);
    case BinaryOperator::kModulo:
      return float_modulo(left, right);
    case BinaryOperator::kPower:
      break;
  }
  if (left < 0 && std::floor(right) != right) {
    throw RenderError("a negative number cannot be raised to a fraction");
  }
  if (left == 0 && right < 0) throw RenderError("0.0 cannot be raised to a negative power");
  return std::pow(left, right);
}

Value add_texts(Budget& budget, const Value& left, const Value& right) {
  const bool is_markup = left.as_text()->is_markup || right.as_text()->is_markup;
  TextBuilder sum(budget);
  for (const Text* part : {left.as_text(), right.as_text()}) {
    budget.charge_work(part->bytes.size());
    if (is_markup && !part->is_markup) {
      append_html(sum, part->bytes);
    } else {
      sum += part->bytes;
    }
  }
  return make_text(budget, sum.take(), is_markup);
}

bool is_ordered(const Value& value) {
  return value.as_sequence(SequenceKind::kList) != nullptr ||
         value.as_sequence(SequenceKind::kTuple) != nullptr;
}

Value add_sequences(Budget& budget, const Value& left, const Value& right) {
  const Items& first = left.as_sequence()->items;
  const Items& more = right.as_sequence()->items;
  budget.charge((first.size() + more.size()) * sizeof(Value));
  Items items;
  items.reserve(first.size() + more.size());
  items.insert(items.end(), first.begin(), first.end());
  items.insert(items.end(), more.begin(), more.end());
  return make_sequence(budget, left.as_sequence()->kind, std::move(items));
}

// Text, list or tuple, `times` over. Charged before it is made.
Value repeat(Budget& budget, const Value& value, std::int64_t times) {
  const auto count = static_cast<std::uint64_t>(times < 0 ? 0 : times);
  const auto charge_all = [&](std::uint64_t bytes) {
    std::uint64_t all = 0;
    budget.charge(__builtin_mul_overflow(bytes, count, &all) ? ~std::uint64_t{0} : all);
  };
  if (const Text* text = value.as_text()) {
    charge_all(text->bytes.size());
    std::string repeated;
    if (!text->bytes.empty()) {
      repeated.reserve(text->bytes.size() * count);
      for (std::uint64_t i = 0; i < count; ++i) repeated += text->bytes;
    }
    return make_text(budget, std::move(repeated), text->is_markup);
  }
  const Sequence& sequence = *value.as_sequence();
  charge_all(sequence.items.size() * sizeof(Value));
  Items items;
  if (!sequence.items.empty()) {
    items.reserve(sequence.items.size() * count);
    for (std::uint64_t i = 0; i < count; ++i) {
      items.insert(items.end(), sequence.items.begin(), sequence.items.end());
    }
  }
  return make_sequence(budget, sequence.kind, std::move(items));
}

}  // namespace

void fail_large() {
  throw RenderError("an integer needs more than 64 bits, which this server does not compute with");
}

Value apply(Budget& budget, BinaryOperator binary, const Value& left, const Value& right) {
  if (left.is_undefined()) fail_undefined(left);
  if (left.is_text() && binary == BinaryOperator::kModulo)
    return format_percent(budget, left, right);
  if (right.is_undefined()) fail_undefined(right);
  if (left.is_integer() && right.is_integer()) {
    return apply_integers(binary, left.integer(), right.integer());
  }
  if (left.is_number() && right.is_number()) {
    return apply_floats(binary, left.number(), right.number());
  }
  if (binary == BinaryOperator::kAdd) {
    if (left.is_text() && right.is_text()) return add_texts(budget, left, right);
    if (is_ordered(left) && right.as_sequence(left.as_sequence()->kind) != nullptr) {
      return add_sequences(budget, left, right);
    }
  }
  if (binary == BinaryOperator::kMultiply) {
    const auto repeats = [](const Value& value) { return value.is_text() || is_ordered(value); };
    if (repeats(left) && right.is_integer()) return repeat(budget, left, right.integer());
    if (repeats(right) && left.is_integer()) return repeat(budget, right, left.integer());
  }
  fail_types(binary, left, right);
}

Value negate(const Value& value) {
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_integer()) {
    return apply_integers(BinaryOperator::kSubtract, 0, value.integer());
  }
  if (value.is_float()) return -value.number();
  throw RenderError("bad operand type for unary -: '" + value.type_name() + "'");
}

Value plus(const Value& value) {
  if (value.is_undefined()) fail_undefined(value);
  if (value.is_integer()) return value.integer();
  if (value.is_float()) return value;
  throw RenderError("bad operand type for unary +: '" + value.type_name() + "'");
}

}  // namespace troupe::jinja
