#include "model/gguf_parts.hpp"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <iterator>
#include <optional>
#include <string_view>
#include <utility>

#include "config/user_error.hpp"

namespace troupe::model {
namespace {

// Each part is a mapping and a few file operations; the largest published models have some 200.
constexpr std::uint64_t kPartsMax = 1000;

[[noreturn]] void fail(const std::string& name, const std::string& problem) {
  throw config::UserError(name + ": " + problem);
}

// What a file says of its place.
struct Place {
  std::uint64_t number = 0;  // from 0
  std::uint64_t count = 1;
  std::uint64_t tensors = 0;  // of all parts

  std::string text() const {
    return "part " + std::to_string(number + 1) + " of " + std::to_string(count);
  }

  // How the name of this part ends.
  std::string ending() const {
    char text[64];
    std::snprintf(text,
                  sizeof text,
                  "-%05llu-of-%05llu.gguf",
                  static_cast<unsigned long long>(number + 1),
                  static_cast<unsigned long long>(count));
    return text;
  }
};

std::optional<std::uint64_t> find_count(const Metadata& metadata,
                                        const std::string& key,
                                        const std::string& name) {
  const auto found = metadata.find(key);
  if (found == metadata.end()) return std::nullopt;
  if (const auto* number = std::get_if<std::uint64_t>(&found->second)) return *number;
  const auto* number = std::get_if<std::int64_t>(&found->second);
  if (number == nullptr || *number < 0)
    fail(name, "metadata '" + key + "' is no count: split the model again");
  return static_cast<std::uint64_t>(*number);
}

std::uint64_t require_count(const Metadata& metadata,
                            const std::string& key,
                            const std::string& name) {
  const auto found = find_count(metadata, key, name);
  if (!found) fail(name, "metadata '" + key + "' is missing: split the model again");
  return *found;
}

// Empty for a whole model.
std::optional<Place> find_place(const Metadata& metadata, const std::string& name) {
  const std::uint64_t count = find_count(metadata, "split.count", name).value_or(0);
  if (count <= 1) return std::nullopt;
  if (count > kPartsMax) {
    fail(name,
         "is one of " + std::to_string(count) + " parts, of which at most " +
             std::to_string(kPartsMax) + " are accepted: split the model into larger ones");
  }
  Place place{.number = require_count(metadata, "split.no", name),
              .count = count,
              .tensors = require_count(metadata, "split.tensors.count", name)};
  if (place.number >= count) {
    fail(name,
         "has the number " + std::to_string(place.number) + " among " + std::to_string(count) +
             " parts, which count from 0: split the model again");
  }
  return place;
}

// Holds what a file says of itself against the place that it was found in.
void check_place(const Metadata& metadata, const std::string& name, const Place& expected) {
  const auto place = find_place(metadata, name);
  if (!place) fail(name, "is a whole model, not " + expected.text() + ": fetch that part again");
  if (place->number != expected.number || place->count != expected.count) {
    fail(name,
         "says that it is " + place->text() + ", not " + expected.text() +
             ": fetch that part again");
  }
  if (place->tensors != expected.tensors) {
    fail(name,
         "is a part of another model, of " + std::to_string(place->tensors) + " tensors, not " +
             std::to_string(expected.tensors) + ": fetch all parts of one model");
  }
}

// Moves the tensors of a part into `all`, which is sorted by name.
void add_tensors(std::vector<TensorInfo>& all,
                 std::vector<TensorInfo> more,
                 const std::string& name) {
  const auto by_name = [](const TensorInfo& a, const TensorInfo& b) { return a.name < b.name; };
  for (const TensorInfo& tensor : more) {
    if (std::binary_search(all.begin(), all.end(), tensor, by_name)) {
      fail(name,
           "holds the tensor " + in_quotes(tensor.name) +
               ", which a part before it has: fetch all parts of one model");
    }
  }
  const auto middle = static_cast<std::ptrdiff_t>(all.size());
  std::move(more.begin(), more.end(), std::back_inserter(all));
  std::inplace_merge(all.begin(), all.begin() + middle, all.end(), by_name);
}

}  // namespace

std::vector<std::string> part_names(const Metadata& metadata,
                                    const std::string& name,
                                    const std::string& opened) {
  const auto place = find_place(metadata, name);
  if (!place) return {name};
  const std::string ending = place->ending();
  const std::string& like = name.ends_with(ending) ? name : opened;
  if (!like.ends_with(ending)) {
    fail(name,
         "is " + place->text() + " of a model, so its name must end in " + ending +
             ": give the parts their names again");
  }
  const std::string stem = like.substr(0, like.size() - ending.size());
  std::vector<std::string> names;
  for (Place each{.number = 0, .count = place->count}; each.number < each.count; ++each.number)
    names.push_back(each.number == place->number ? name : stem + each.ending());
  return names;
}

GgufContents join_parts(std::vector<GgufContents> parts, const std::vector<std::string>& names) {
  GgufContents all = std::move(parts.front());
  if (parts.size() == 1) return all;
  Place expected{.number = 0,
                 .count = parts.size(),
                 .tensors = require_count(all.metadata, "split.tensors.count", names[0])};
  check_place(all.metadata, names[0], expected);
  for (std::size_t i = 1; i < parts.size(); ++i) {
    expected.number = i;
    check_place(parts[i].metadata, names[i], expected);
    add_tensors(all.tensors, std::move(parts[i].tensors), names[i]);
  }
  if (all.tensors.size() != expected.tensors) {
    fail(names[0],
         "the " + std::to_string(parts.size()) + " parts hold " +
             std::to_string(all.tensors.size()) + " tensors, not " +
             std::to_string(expected.tensors) + ": fetch all parts of one model");
  }
  return all;
}

}  // namespace troupe::model
