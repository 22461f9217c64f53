#include "model/hf_shards.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <string_view>
#include <utility>

#include "config/user_error.hpp"
#include "model/gguf_cursor.hpp"
#include "model/json_tree.hpp"

namespace troupe::model {
namespace {

constexpr const char* kWhole = "model.safetensors";
constexpr const char* kIndex = "model.safetensors.index.json";
constexpr std::size_t kIndexBytesMax = std::size_t{64} << 20;  // real ones have under 10 MB
constexpr std::size_t kShardsMax = 4096;                       // the largest models have some 200

// Tensors of each shard, as the index says.
using Index = std::map<std::string, std::set<std::string, std::less<>>, std::less<>>;

[[noreturn]] void fail(const std::string& file, const std::string& problem) {
  throw config::UserError(file + ": " + problem);
}

Index read_index(const OpenPath& file) {
  const auto mapping = file.map();
  const std::span<const std::byte> bytes = mapping->bytes();
  if (bytes.size() > kIndexBytesMax)
    fail(file.name(), "is longer than an index is: fetch the model again");
  const JsonTree tree =
      read_json({reinterpret_cast<const char*>(bytes.data()), bytes.size()}, file.name());
  const JsonTree* map = tree.find("weight_map");
  if (map == nullptr || map->object() == nullptr)
    fail(file.name(), "weight_map is missing or no object: fetch the model again");
  Index index;
  for (const JsonMember& member : *map->object()) {
    if (member.value.text() == nullptr)
      fail(file.name(), "weight_map names no file for " + in_quotes(member.key));
    index[*member.value.text()].insert(member.key);
  }
  if (index.size() > kShardsMax)
    fail(file.name(), "names more than " + std::to_string(kShardsMax) + " files");
  return index;
}

void check_against(const std::set<std::string, std::less<>>& expected,
                   const std::vector<SafeTensor>& found,
                   const std::string& name) {
  for (const SafeTensor& tensor : found) {
    if (!expected.contains(tensor.name))
      fail(name,
           "has tensor " + in_quotes(tensor.name) + ", which " + kIndex +
               " does not say: fetch the model again");
  }
  if (found.size() == expected.size()) return;
  std::set<std::string_view> names;
  for (const SafeTensor& tensor : found) names.insert(tensor.name);
  const auto missing = std::find_if(expected.begin(), expected.end(), [&](const auto& wanted) {
    return !names.contains(wanted);
  });
  fail(name,
       "lacks tensor " + in_quotes(*missing) + ", which " + kIndex +
           " says it has: fetch the model again");
}

}  // namespace

HfShards open_hf_shards(const OpenPath& folder) {
  HfShards shards;
  if (const auto whole = folder.file(kWhole)) {
    shards.files.push_back(whole->map());
    shards.tensors = read_safetensors(shards.files.back()->bytes(), whole->name());
    return shards;
  }
  const auto index_file = folder.file(kIndex);
  if (!index_file)
    fail(folder.name(),
         std::string("has neither ") + kWhole + " nor " + kIndex +
             ": give a model with its weights in safetensors, or a .gguf file");
  // No name occurs twice: it stands once in the index, in the set of one shard.
  for (const auto& [name, expected] : read_index(*index_file)) {
    const auto file = folder.file(name);
    if (!file) fail(folder.name(), "lacks the file " + in_quotes(name) + ": fetch the model again");
    shards.files.push_back(file->map());
    std::vector<SafeTensor> found = read_safetensors(shards.files.back()->bytes(), file->name());
    check_against(expected, found, file->name());
    shards.tensors.insert(shards.tensors.end(),
                          std::make_move_iterator(found.begin()),
                          std::make_move_iterator(found.end()));
  }
  return shards;
}

}  // namespace troupe::model
