#include "model/chat_template.hpp"

#include <boost/test/unit_test.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "config/user_error.hpp"
#include "model/model_file.hpp"
#include "tests/support/gguf_builder.hpp"

using namespace troupe;
using Messages = std::vector<model::ChatMessage>;

namespace {

model::ChatTemplate make(std::string_view source) {
  const auto bytes = tests::GgufBuilder().string("tokenizer.chat_template", source).build();
  return model::ChatTemplate(model::ModelFile::parse(bytes, "m.gguf"));
}

const std::string kTurns =
    "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

}  // namespace

BOOST_AUTO_TEST_CASE(the_files_own_template_renders_the_conversation) {
  BOOST_TEST(make(kTurns).render(Messages{{"user", "U"}}) ==
             "<|im_start|>user\nU<|im_end|>\n<|im_start|>assistant\n");
  BOOST_TEST(make("[INST] {{ messages[0].content }} [/INST]").render(Messages{{"user", "U"}}) ==
             "[INST] U [/INST]");
}

BOOST_AUTO_TEST_CASE(the_template_decides_which_roles_there_are) {
  BOOST_TEST(make(kTurns).render(Messages{{"tool", "T"}}) ==
             "<|im_start|>tool\nT<|im_end|>\n<|im_start|>assistant\n");
  const auto strict = make(
      "{% if messages[0].role != 'user' %}{{ raise_exception('users only') }}"
      "{% endif %}");
  const auto quotes = [](const std::invalid_argument& error) {
    return std::string(error.what()).find("users only") != std::string::npos;
  };
  BOOST_CHECK_EXCEPTION(strict.render(Messages{{"root", "x"}}), std::invalid_argument, quotes);
  BOOST_CHECK_THROW(strict.render(Messages{}), std::invalid_argument);
}

BOOST_AUTO_TEST_CASE(broken_and_missing_templates_are_refused) {
  BOOST_CHECK_THROW(make("{% for %}"), config::UserError);
  BOOST_CHECK_THROW(make(""), config::UserError);
  const auto bytes = tests::GgufBuilder().build();
  BOOST_CHECK_THROW(model::ChatTemplate(model::ModelFile::parse(bytes, "m.gguf")),
                    config::UserError);
}

BOOST_AUTO_TEST_CASE(another_template_may_replace_the_files_own) {
  const auto bytes = tests::GgufBuilder().string("tokenizer.chat_template", kTurns).build();
  const model::ChatTemplate other(
      model::ModelFile::parse(bytes, "m.gguf"), "{{ messages|length }}", "other.jinja");
  BOOST_TEST(other.render(Messages{{"user", "U"}}) == "1");
}

BOOST_AUTO_TEST_CASE(a_long_refusal_is_cut_between_characters) {
  const auto loud = make("{{ raise_exception(messages[0].content) }}");
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "é";
  for (const std::string& content : {text, "x" + text}) {
    const auto is_cut = [](const std::invalid_argument& error) {
      const std::string message = error.what();
      return message.size() < 4200 && message.ends_with("é…");
    };
    BOOST_CHECK_EXCEPTION(loud.render(Messages{{"user", content}}), std::invalid_argument, is_cut);
  }
}

BOOST_AUTO_TEST_CASE(the_largest_request_is_within_the_bounds_of_a_rendering) {
  const std::string content(std::size_t{4} << 20, 'x');
  const auto busy = make(
      "{% for m in messages %}{% set c = m.content|trim %}{% if '</think>' in c %}"
      "{% set c = c.split('</think>')[-1].lstrip('\\n') %}{% endif %}"
      "{{ '<|im_start|>' + m.role + '\\n' + c + '<|im_end|>\\n' }}{{ m|tojson|length }}{% endfor "
      "%}");
  BOOST_TEST(busy.render(Messages{{"user", content}}).size() > content.size());
}
