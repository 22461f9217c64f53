// Against ids and logits that Hugging Face made from the same folders:
// scripts/golden/make_hf_folders.py, and make_hf_tokenizers.py beside it.
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "model/chat_template.hpp"
#include "model/kv_cache.hpp"
#include "model/model_file.hpp"
#include "model/tokenizer.hpp"
#include "model/transformer.hpp"
#include "tests/kernels/backends.hpp"
#include "tests/model/hf_folder_copy.hpp"
#include "tests/support/model_files.hpp"

namespace troupe::model {
namespace {

using Ids = std::vector<std::int32_t>;

std::filesystem::path folder_of(const std::string& name) {
  return tests::repository() / "tests/model/data/hf" / name;
}

nlohmann::json goldens_in(const std::filesystem::path& file) {
  std::ifstream stream(file);
  return nlohmann::json::parse(stream);
}

nlohmann::json goldens_of(const std::string& name) {
  return goldens_in(folder_of(name) / "goldens.json");
}

void check_texts(const Tokenizer& tokenizer, const nlohmann::json& goldens) {
  BOOST_TEST(goldens.at("texts").size() > 10U);
  for (const auto& golden : goldens.at("texts")) {
    const Ids ids = tokenizer.encode(golden.at("text").get<std::string>(), SpecialTokens::kParse);
    BOOST_TEST(ids == golden.at("ids").get<Ids>(),
               golden.at("text") << " became " << nlohmann::json(ids));
    if (golden.contains("decoded"))
      BOOST_TEST(tokenizer.decode(ids) == golden.at("decoded").get<std::string>());
  }
}

void check_ids(const std::string& name) {
  check_texts(Tokenizer(ModelFile::open(folder_of(name))), goldens_of(name));
}

// [tokens, vocab]
std::vector<float> logits_of(const ModelFile& file, kernels::Device& device, const Ids& tokens) {
  Transformer transformer(file, device, static_cast<std::int32_t>(tokens.size()));
  const auto vocab = static_cast<std::size_t>(transformer.architecture().vocab);
  std::vector<float> logits(tokens.size() * vocab);
  const auto count = static_cast<std::int32_t>(tokens.size());
  std::vector<std::int32_t> blocks(static_cast<std::size_t>(blocks_for(count)));
  std::iota(blocks.begin(), blocks.end(), 0);
  KvCache cache(device,
                transformer.architecture(),
                static_cast<std::int32_t>(blocks.size()),
                kernels::KvType::kF32);
  const SequenceSlice slice{tokens, 0, blocks, count};
  transformer.forward(std::span(&slice, 1), cache, logits);
  return logits;
}

// The weights of `folder` compute the golden logits of `name`.
void check_logits(const std::string& name, const std::filesystem::path& folder) {
  const ModelFile file = ModelFile::open(folder);
  const nlohmann::json goldens = goldens_of(name);
  const Ids tokens = goldens.at("tokens").get<Ids>();
  std::vector<float> expected;
  for (const auto& row : goldens.at("logits")) {
    for (const auto& logit : row) expected.push_back(logit.get<float>());
  }
  for (const auto& device : kernels::all_cpu_devices(1)) {
    if (device->backend() == "amx") continue;  // FP32 is avx512's there
    const std::vector<float> logits = logits_of(file, *device, tokens);
    BOOST_REQUIRE(logits.size() == expected.size());
    double worst = 0;
    double size = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      worst = std::max(worst, static_cast<double>(std::abs(logits[i] - expected[i])));
      size = std::max(size, static_cast<double>(std::abs(expected[i])));
    }
    BOOST_TEST_MESSAGE(name << " " << device->backend() << ": off by " << worst << " of " << size);
    BOOST_TEST(size > 1.0);           // else the tolerance would say nothing
    BOOST_TEST(worst < 1e-4 * size);  // FP32 sums in another order
  }
}

void check_logits(const std::string& name) { check_logits(name, folder_of(name)); }

// A shard of BF16 as F32, with a header whose length is odd, so that no tensor lies at a multiple
// of its size.
void widen_at_odd_offsets(const std::filesystem::path& shard) {
  std::ifstream stream(shard, std::ios::binary);
  const std::string before(std::istreambuf_iterator<char>(stream), {});
  std::uint64_t length = 0;
  std::memcpy(&length, before.data(), sizeof length);
  nlohmann::json header = nlohmann::json::parse(before.substr(8, length));
  for (auto& tensor : header) {
    if (!tensor.contains("dtype")) continue;
    BOOST_REQUIRE(tensor["dtype"] == "BF16");
    tensor["dtype"] = "F32";
    for (auto& offset : tensor["data_offsets"]) offset = 2 * offset.get<std::uint64_t>();
  }
  std::string text = header.dump();
  if (text.size() % 2 == 0) text += ' ';
  const std::uint64_t odd = text.size();
  std::string after(reinterpret_cast<const char*>(&odd), sizeof odd);
  after += text;
  for (std::size_t i = 8 + length; i < before.size(); i += 2)
    after += std::string(2, '\0') + before.substr(i, 2);
  std::ofstream(shard, std::ios::binary) << after;
}

}  // namespace

BOOST_AUTO_TEST_SUITE(hf_golden)

BOOST_AUTO_TEST_CASE(llama_texts_have_the_ids_of_hugging_face) { check_ids("llama"); }

BOOST_AUTO_TEST_CASE(qwen2_texts_have_the_ids_of_hugging_face) { check_ids("qwen2"); }

BOOST_AUTO_TEST_CASE(every_kind_of_tokenizer_gives_the_ids_of_hugging_face) {
  const nlohmann::json goldens = goldens_in(folder_of("tokenizers.json"));
  const std::filesystem::path folder = std::filesystem::temp_directory_path() /
                                       ("troupe_hf_golden_test_" + std::to_string(getpid()));
  std::filesystem::remove_all(folder);
  std::filesystem::copy(folder_of("llama"), folder);
  std::filesystem::remove(folder / "tokenizer_config.json");
  BOOST_TEST(goldens.at("cases").size() == 8U);
  for (const auto& one : goldens.at("cases")) {
    BOOST_TEST_CONTEXT(one.at("name").get<std::string>()) {
      nlohmann::json tokenizer = one.at("tokenizer");
      tokenizer["model"] = goldens.at("models").at(one.at("model").get<std::string>());
      std::ofstream(folder / "tokenizer.json") << tokenizer.dump();
      check_texts(Tokenizer(ModelFile::open(folder)), one);
    }
  }
  std::filesystem::remove_all(folder);
}

BOOST_AUTO_TEST_CASE(llama_in_bf16_shards_computes_what_transformers_does) {
  check_logits("llama");
}

BOOST_AUTO_TEST_CASE(llama_in_f32_that_begins_at_odd_offsets_computes_the_same) {
  const tests::HfFolderCopy copy("llama");
  for (const auto& entry : std::filesystem::directory_iterator(copy.path)) {
    if (entry.path().extension() == ".safetensors") widen_at_odd_offsets(entry.path());
  }
  check_logits("llama", copy.path);
}

BOOST_AUTO_TEST_CASE(qwen2_in_f16_computes_what_transformers_does) { check_logits("qwen2"); }

BOOST_AUTO_TEST_CASE(special_tokens_and_templates_are_those_of_the_folder) {
  const ModelFile llama = ModelFile::open(folder_of("llama"));
  const Tokenizer of_llama(llama);
  BOOST_TEST(of_llama.adds_bos());
  BOOST_TEST(of_llama.bos() == 0);
  BOOST_TEST(of_llama.eos() == 2);
  BOOST_TEST(of_llama.end_of_generation() == (Ids{1, 2}));
  BOOST_TEST(ChatTemplate(llama).render({{"user", "hi"}}) == "<s>user: hi");
  const ModelFile qwen2 = ModelFile::open(folder_of("qwen2"));
  BOOST_TEST(!Tokenizer(qwen2).adds_bos());
  BOOST_TEST(ChatTemplate(qwen2).render({{"user", "hi"}}) == "<|end|>hi");
}

BOOST_AUTO_TEST_CASE(weights_lie_in_the_mapped_shards) {
  const ModelFile file = ModelFile::open(folder_of("llama"));
  std::uint64_t bytes = 0;
  for (const char* shard : {"model-00001-of-00003.safetensors",
                            "model-00002-of-00003.safetensors",
                            "model-00003-of-00003.safetensors"})
    bytes += std::filesystem::file_size(folder_of("llama") / shard);
  BOOST_TEST(file.size_bytes() == bytes);
  BOOST_CHECK(file.tensor("blk.1.ffn_down.weight").type == kernels::TensorType::kBF16);
  const std::vector<std::uint64_t> shape = {96, 64};
  BOOST_TEST(file.tensor("blk.1.ffn_down.weight").shape == shape);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model
