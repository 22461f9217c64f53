#include "model/chat_template.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/user_error.hpp"
#include "model/gguf.hpp"
#include "tests/support/gguf_builder.hpp"

using namespace troupe;
using Messages = std::vector<model::ChatMessage>;

namespace {

model::ChatTemplate make(std::string_view source) {
  const auto bytes = tests::GgufBuilder().string("tokenizer.chat_template", source).build();
  return model::ChatTemplate(model::GgufFile::parse(bytes, "m.gguf"));
}

const std::string kTurns =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>' }}{% "
    "endfor %}";

std::string first_turn(std::string_view source) {
  const std::string text = make(source).render(Messages{{"user", "U"}});
  return text.substr(0, text.find("<|im_start|>user"));
}

}  // namespace

BOOST_AUTO_TEST_CASE(a_template_without_a_default_system_message_adds_none) {
  BOOST_TEST(make(kTurns).render(Messages{{"user", "U"}}) ==
             "<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n");
}

BOOST_AUTO_TEST_CASE(the_default_system_message_is_found_in_any_kind_of_constant) {
  const std::string wanted = "<|im_start|>system\nBe \"kind\".<|im_end|>\n";
  BOOST_TEST(first_turn("{{ '<|im_start|>system\\nBe \"kind\".<|im_end|>\\n' }}" + kTurns) ==
             wanted);
  BOOST_TEST(first_turn("{{ \"<|im_start|>system\\nBe \\\"kind\\\".<|im_end|>\\n\" }}" + kTurns) ==
             wanted);
  BOOST_TEST(first_turn("{{- '<|im_start|>system\nBe \"kind\".<|im_end|>\n' -}}" + kTurns) ==
             wanted);
  BOOST_TEST(first_turn("{% if x %}<|im_start|>system\nBe \"kind\".<|im_end|>\n{% endif %}" +
                        kTurns) == wanted);
  BOOST_TEST(first_turn("{# <|im_start|>system\nno<|im_end|> #}" + kTurns) == "");
}

BOOST_AUTO_TEST_CASE(roles_that_the_template_does_not_know_and_empty_conversations_are_refused) {
  const model::ChatTemplate chat_template = make(kTurns);
  BOOST_CHECK_THROW(chat_template.render(Messages{}), std::invalid_argument);
  BOOST_CHECK_THROW(chat_template.render(Messages{{"root", "x"}}), std::invalid_argument);
  BOOST_CHECK_THROW(chat_template.render(Messages{{"user\n", "x"}}), std::invalid_argument);
  BOOST_CHECK_THROW(chat_template.render(Messages{{"", "x"}}), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(other_formats_and_missing_templates_are_refused) {
  BOOST_CHECK_THROW(make("[INST] {{ messages[0].content }} [/INST]"), config::UserError);
  BOOST_CHECK_THROW(make(""), config::UserError);
  const auto bytes = tests::GgufBuilder().build();
  BOOST_CHECK_THROW(model::ChatTemplate(model::GgufFile::parse(bytes, "m.gguf")),
                    config::UserError);
}

BOOST_AUTO_TEST_CASE(templates_cut_off_anywhere_never_crash_the_reader) {
  const std::string whole =
      "{# c #}a{{ \"x\\\"<|im_start|>system\\nS<|im_end|>\" }}{% if 'y\\'' %}" + kTurns;
  std::size_t accepted = 0;
  for (std::size_t size = 0; size <= whole.size(); ++size) {
    try {
      make(whole.substr(0, size));
      ++accepted;
    } catch (const config::UserError&) {
    }
  }
  BOOST_TEST(accepted > 0U);
}
