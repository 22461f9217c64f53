#include "model/json_tree.hpp"

#include <algorithm>
#include <nlohmann/json.hpp>
#include <utility>

#include "config/user_error.hpp"
#include "model/gguf_cursor.hpp"

namespace troupe::model {
namespace {

constexpr std::size_t kDepthMax = 64;  // real files nest five deep; trees are freed by recursion
constexpr std::size_t kValuesMax =
    std::size_t{1} << 22;  // the largest tokenizers have two million, most of them in merges

// Receives what the parser finds and builds the tree from the inside outwards.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(const std::string& name) : name_(name) {}

  JsonTree take() { return std::move(root_); }

  bool null() override { return add({}); }

  bool boolean(bool value) override { return add(value); }

  bool number_integer(number_integer_t value) override { return add(std::int64_t{value}); }

  bool number_unsigned(number_unsigned_t value) override { return add(std::uint64_t{value}); }

  bool number_float(number_float_t value, const string_t& /*text*/) override { return add(value); }

  bool string(string_t& value) override { return add(std::move(value)); }

  bool binary(binary_t& /*value*/) override { return false; }  // JSON has none

  bool start_object(std::size_t /*elements*/) override { return open(JsonTree::Object()); }

  bool start_array(std::size_t /*elements*/) override { return open(JsonTree::Array()); }

  bool key(string_t& value) override {
    open_.back().key = std::move(value);
    return true;
  }

  bool end_object() override {
    check_keys(std::get<JsonTree::Object>(open_.back().value));
    return close();
  }

  bool end_array() override { return close(); }

  bool parse_error(std::size_t position,
                   const std::string& /*token*/,
                   const nlohmann::detail::exception& /*error*/) override {
    fail("is not valid JSON at byte " + std::to_string(position) + ": fetch the file again");
  }

 private:
  struct Level {
    JsonTree::Value value;
    std::string key;  // of the member that is being read
  };

  [[noreturn]] void fail(const std::string& problem) const {
    throw config::UserError(name_ + ": " + problem);
  }

  void count_one() {
    if (++values_ > kValuesMax) {
      fail("has more than " + std::to_string(kValuesMax) +
           " values: give the file of a language model");
    }
  }

  bool add(JsonTree::Value value) {
    count_one();
    place(std::move(value));
    return true;
  }

  void place(JsonTree::Value value) {
    if (open_.empty()) {
      root_ = JsonTree(std::move(value));
    } else if (auto* array = std::get_if<JsonTree::Array>(&open_.back().value)) {
      array->emplace_back(std::move(value));
    } else {
      std::get<JsonTree::Object>(open_.back().value)
          .push_back({std::move(open_.back().key), JsonTree(std::move(value))});
    }
  }

  bool open(JsonTree::Value value) {
    count_one();
    if (open_.size() == kDepthMax) {
      fail("nests deeper than " + std::to_string(kDepthMax) +
           " levels: give the file of a language model");
    }
    open_.push_back({std::move(value), {}});
    return true;
  }

  bool close() {
    JsonTree::Value value = std::move(open_.back().value);
    open_.pop_back();
    place(std::move(value));
    return true;
  }

  // RFC 8259 leaves open what a second member of the same name means: two readers of one file may
  // disagree.
  void check_keys(const JsonTree::Object& object) const {
    // Sorted, for a file may hold keys that all fall into one bucket of a hash table.
    std::vector<std::string_view> keys(object.size());
    std::transform(object.begin(), object.end(), keys.begin(), [](const JsonMember& member) {
      return std::string_view(member.key);
    });
    std::sort(keys.begin(), keys.end());
    const auto twice = std::adjacent_find(keys.begin(), keys.end());
    if (twice != keys.end())
      fail("has the key " + in_quotes(*twice) + " twice: fetch the file again");
  }

  const std::string& name_;
  JsonTree root_;
  std::vector<Level> open_;
  std::size_t values_ = 0;
};

}  // namespace

std::optional<bool> JsonTree::flag() const {
  const auto* flag = std::get_if<bool>(&value_);
  return flag == nullptr ? std::nullopt : std::optional(*flag);
}

std::optional<std::uint64_t> JsonTree::count() const {
  const auto* count = std::get_if<std::uint64_t>(&value_);
  return count == nullptr ? std::nullopt : std::optional(*count);
}

std::optional<double> JsonTree::number() const {
  if (const auto* number = std::get_if<double>(&value_)) return *number;
  if (const auto* number = std::get_if<std::uint64_t>(&value_)) return static_cast<double>(*number);
  if (const auto* number = std::get_if<std::int64_t>(&value_)) return static_cast<double>(*number);
  return std::nullopt;
}

const JsonTree* JsonTree::find(std::string_view key) const {
  if (object() == nullptr) return nullptr;
  const auto found = std::find_if(object()->begin(),
                                  object()->end(),
                                  [&](const JsonMember& member) { return member.key == key; });
  return found == object()->end() || found->value.is_null() ? nullptr : &found->value;
}

JsonTree read_json(std::string_view text, const std::string& name) {
  Builder builder(name);
  nlohmann::json::sax_parse(text.begin(), text.end(), &builder);
  return builder.take();
}

}  // namespace troupe::model
