// Preprocess: from what a client sent to tokens, and the refusals that need token counts.
#include "actors/preprocess/preprocessor.hpp"

#include <boost/test/unit_test.hpp>
#include <string>

#include "model/model_file.hpp"
#include "tests/support/gguf_builder.hpp"

namespace troupe::actors::preprocess {
namespace {

using messages::Failure;
using messages::GenerateRequest;
using messages::PromptKind;
using messages::TokenizedRequest;

constexpr std::uint32_t kContext = 64;

struct Fixture {
  Fixture() {
    const std::vector<std::byte> bytes =
        tests::GgufBuilder()
            .byte_tokenizer({"<|im_end|>", "<|im_start|>"})
            .string("tokenizer.chat_template",
                    "{% for message in messages %}{% if message.role == 'wizard' %}"
                    "{{ raise_exception('no wizards') }}{% endif %}{{'<|im_start|>' + "
                    "message['role'] + '\n' + "
                    "message['content'] + '<|im_end|>' + '\n'}}{% endfor %}"
                    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}")
            .build();
    const model::ModelFile file = model::ModelFile::parse(bytes, "tiny");
    tokenizer = std::make_shared<const model::Tokenizer>(file);
    chat = std::make_shared<const model::ChatTemplate>(file);
  }

  Preprocessor core() const { return {tokenizer, chat, kContext}; }

  TokenizedRequest accepted(const GenerateRequest& request) const {
    return std::get<TokenizedRequest>(core().run(request));
  }

  Failure refused(const GenerateRequest& request) const {
    return std::get<Failure>(core().run(request));
  }

  std::shared_ptr<const model::Tokenizer> tokenizer;
  std::shared_ptr<const model::ChatTemplate> chat;
};

BOOST_FIXTURE_TEST_SUITE(preprocessor, Fixture)

BOOST_AUTO_TEST_CASE(text_becomes_its_tokens_and_the_rest_is_kept) {
  const TokenizedRequest request = accepted({.request_id = 3,
                                             .prompt = "Hi",
                                             .sampling = {.temperature = 0.5F, .max_tokens = 7},
                                             .echo = true,
                                             .priority = 2,
                                             .deadline_ms = 9});
  BOOST_TEST(request.request_id == 3U);
  BOOST_TEST(request.prompt_tokens == (std::vector<std::int32_t>{'H', 'i'}));
  BOOST_TEST(request.sampling.max_tokens == 7U);
  BOOST_TEST(request.sampling.temperature == 0.5F);
  BOOST_TEST(request.echo);
  BOOST_TEST(request.priority == 2U);
  BOOST_TEST(request.deadline_ms == 9U);
}

BOOST_AUTO_TEST_CASE(a_conversation_is_rendered_with_the_models_template) {
  const TokenizedRequest request =
      accepted({.prompt_kind = PromptKind::kChat, .messages = {{.role = "user", .content = "A"}}});
  BOOST_TEST(tokenizer->decode(request.prompt_tokens) ==
             "<|im_start|>user\nA<|im_end|>\n<|im_start|>assistant\n");
  BOOST_TEST(request.prompt_tokens.front() == 257);
}

BOOST_AUTO_TEST_CASE(token_ids_are_taken_as_they_are) {
  BOOST_TEST(
      accepted({.prompt_kind = PromptKind::kTokens, .prompt_tokens = {256, 0}}).prompt_tokens ==
      (std::vector<std::int32_t>{256, 0}));
}

BOOST_AUTO_TEST_CASE(without_max_tokens_the_answer_may_fill_the_context) {
  BOOST_TEST(accepted({.prompt = "Hi"}).sampling.max_tokens == kContext - 2);
}

BOOST_AUTO_TEST_CASE(max_tokens_beyond_the_context_is_cut_to_the_room_there_is) {
  BOOST_TEST(accepted({.prompt = "Hi", .sampling = {.max_tokens = 1000}}).sampling.max_tokens ==
             kContext - 2);
}

BOOST_AUTO_TEST_CASE(min_tokens_never_exceeds_max_tokens) {
  BOOST_TEST(accepted({.prompt = "Hi", .sampling = {.max_tokens = 3, .min_tokens = 9}})
                 .sampling.min_tokens == 3U);
}

BOOST_AUTO_TEST_CASE(a_prompt_that_fills_the_context_is_refused_with_both_numbers) {
  const Failure failure = refused({.request_id = 4, .prompt = std::string(kContext, 'a')});
  BOOST_TEST(failure.request_id == 4U);
  BOOST_CHECK(failure.code == messages::FailureCode::kInvalid);
  BOOST_TEST(failure.param == "prompt");
  BOOST_TEST(failure.message ==
             "the prompt has 64 tokens and the context holds 64 with the answer: shorten it");
  BOOST_TEST(accepted({.prompt = std::string(kContext - 1, 'a')}).sampling.max_tokens == 1U);
}

BOOST_AUTO_TEST_CASE(an_empty_prompt_is_refused) {
  BOOST_TEST(refused({.prompt = ""}).message == "the prompt is empty: send at least one token");
}

BOOST_AUTO_TEST_CASE(ids_outside_the_vocabulary_are_refused) {
  BOOST_TEST(refused({.prompt_kind = PromptKind::kTokens, .prompt_tokens = {5, 258}})
                 .message.find("258") != std::string::npos);
  BOOST_TEST(refused({.prompt_kind = PromptKind::kTokens, .prompt_tokens = {-1}}).param ==
             "prompt");
  BOOST_TEST(refused({.prompt = "a", .sampling = {.logit_bias = {{999, 1.0F}}}}).param ==
             "logit_bias");
}

BOOST_AUTO_TEST_CASE(a_role_that_the_template_refuses_is_refused_with_its_message) {
  const Failure failure =
      refused({.prompt_kind = PromptKind::kChat, .messages = {{.role = "wizard", .content = "A"}}});
  BOOST_TEST(failure.param == "messages");
  BOOST_TEST(failure.message.find("no wizards") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_model_without_a_template_refuses_chat_and_says_what_to_use) {
  const Preprocessor bare{tokenizer, nullptr, kContext};
  const auto outcome =
      bare.run({.prompt_kind = PromptKind::kChat, .messages = {{.role = "user", .content = "A"}}});
  BOOST_TEST(std::get<Failure>(outcome).message.find("/v1/completions") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::preprocess
