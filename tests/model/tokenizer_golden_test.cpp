// Against ids that Hugging Face made: scripts/golden/make_tokenizer_goldens.py.
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "model/chat_template.hpp"
#include "model/model_file.hpp"
#include "model/tokenizer.hpp"
#include "model/utf8.hpp"
#include "tests/support/model_files.hpp"

using namespace troupe;
using model::SpecialTokens;

namespace {

using Ids = std::vector<std::int32_t>;

nlohmann::json goldens_of(const std::string& file) {
  std::ifstream stream(tests::repository() / "tests/model/data/tokenizer_goldens.json");
  return nlohmann::json::parse(stream).at(file);
}

void check_texts(const std::string& name) {
  const auto file = model::ModelFile::open(tests::model_file(name));
  const model::Tokenizer tokenizer(file);
  const auto texts = goldens_of(name).at("texts");
  BOOST_TEST(texts.size() > 90U);
  for (const auto& golden : texts) {
    const auto text = golden.at("text").get<std::string>();
    const Ids expected = golden.at("ids").get<Ids>();
    const Ids ids = tokenizer.encode(text, SpecialTokens::kParse);
    BOOST_TEST(ids == expected,
               "special tokens parsed in " << golden.at("text") << ": " << nlohmann::json(ids));
    const Ids as_text = tokenizer.encode(text, SpecialTokens::kAsText);
    BOOST_TEST(as_text == golden.value("as_text_ids", expected),
               "special tokens as text in " << golden.at("text"));
    // Where SmolLM2 has no token for a byte, Hugging Face replaces what is left of the character.
    BOOST_TEST(model::utf8::replace_invalid(tokenizer.decode(ids)) ==
               golden.value("decoded", text));
    BOOST_TEST(model::utf8::replace_invalid(tokenizer.decode(as_text)) ==
               golden.value("decoded", text));
  }
}

void check_conversations(const std::string& name) {
  const auto file = model::ModelFile::open(tests::model_file(name));
  const model::Tokenizer tokenizer(file);
  const model::ChatTemplate chat_template(file);
  const auto conversations = goldens_of(name).at("conversations");
  BOOST_TEST(conversations.size() > 10U);
  for (const auto& golden : conversations) {
    std::vector<model::ChatMessage> messages;
    for (const auto& message : golden.at("messages")) {
      messages.push_back(
          {message.at("role").get<std::string>(), message.at("content").get<std::string>()});
    }
    const std::string rendered = chat_template.render(messages);
    BOOST_TEST(rendered == golden.at("rendered").get<std::string>());
    BOOST_TEST(tokenizer.encode(rendered, SpecialTokens::kParse) == golden.at("ids").get<Ids>());
  }
}

}  // namespace

BOOST_AUTO_TEST_CASE(smollm2_texts_have_the_ids_of_hugging_face_and_come_back) {
  check_texts(tests::kSmolLm2);
}

BOOST_AUTO_TEST_CASE(qwen_texts_have_the_ids_of_hugging_face_and_come_back) {
  check_texts(tests::kQwenCoder);
}

BOOST_AUTO_TEST_CASE(smollm2_conversations_render_as_in_transformers) {
  check_conversations(tests::kSmolLm2);
}

BOOST_AUTO_TEST_CASE(qwen_conversations_render_as_in_transformers) {
  check_conversations(tests::kQwenCoder);
}

BOOST_AUTO_TEST_CASE(end_tokens_are_those_that_the_models_were_trained_with) {
  const model::Tokenizer smol(model::ModelFile::open(tests::model_file(tests::kSmolLm2)));
  BOOST_TEST(smol.end_of_generation() == (Ids{0, 2}));
  BOOST_TEST(smol.bos() == 1);
  BOOST_TEST(smol.eos() == 2);
  BOOST_TEST(!smol.adds_bos());
  BOOST_TEST(smol.vocab_size() == 49152);
  const model::Tokenizer qwen(model::ModelFile::open(tests::model_file(tests::kQwenCoder)));
  BOOST_TEST(qwen.end_of_generation() == (Ids{151643, 151645}));
  BOOST_TEST(qwen.eos() == 151645);
  BOOST_TEST(qwen.piece(151657) == "<tool_call>");
  BOOST_TEST(qwen.is_special(151657));
  BOOST_TEST(!qwen.is_special(151665));
}
