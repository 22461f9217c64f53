#include "actors/gateway/field_reader.hpp"

#include <cmath>
#include <limits>

namespace troupe::actors::gateway {

const Json* FieldReader::find(const char* name) const {
  const auto found = object_.find(name);
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

void FieldReader::read(const char* name, bool& value) {
  const Json* field = find(name);
  if (field == nullptr) return;
  if (!field->is_boolean()) return fail(name, std::string(name) + " must be true or false");
  value = field->get<bool>();
}

void FieldReader::read(const char* name, std::string& value) {
  const Json* field = find(name);
  if (field == nullptr) return;
  if (!field->is_string()) return fail(name, std::string(name) + " must be a string");
  value = field->get_ref<const std::string&>();
}

void FieldReader::read(const char* name, float& value) {
  const Json* field = find(name);
  if (field == nullptr) return;
  if (!field->is_number()) return fail(name, std::string(name) + " must be a number");
  const double number = field->get<double>();
  // Beyond float's range the conversion is undefined; infinity is refused by the range check.
  const bool fits = std::abs(number) <= static_cast<double>(std::numeric_limits<float>::max());
  value = fits ? static_cast<float>(number) : std::numeric_limits<float>::infinity();
}

void FieldReader::fail(std::string param, std::string message) {
  if (!fault_) fault_ = Fault{std::move(param), std::move(message)};
}

std::optional<std::int64_t> FieldReader::integer(const char* name,
                                                 std::int64_t low,
                                                 std::int64_t high) {
  const Json* field = find(name);
  if (field == nullptr) return std::nullopt;
  const auto number = whole_number(*field);
  if (number && *number >= low && *number <= high) return number;
  fail(name,
       std::string(name) + " must be a whole number between " + std::to_string(low) + " and " +
           std::to_string(high));
  return std::nullopt;
}

std::optional<std::int64_t> whole_number(const Json& json) {
  if (json.is_number_unsigned()) {
    const auto number = json.get<std::uint64_t>();
    if (number > std::uint64_t{std::numeric_limits<std::int64_t>::max()}) return std::nullopt;
    return static_cast<std::int64_t>(number);
  }
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (!json.is_number_float()) return std::nullopt;
  const double number = json.get<double>();
  constexpr double exact_max = 9007199254740992.0;  // 2^53: above it doubles skip whole numbers
  if (std::abs(number) > exact_max || number != std::trunc(number)) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

}  // namespace troupe::actors::gateway
