#include "model/hf_post_processor.hpp"

#include <string_view>

#include "model/gguf_cursor.hpp"
#include "model/hf_fields.hpp"

namespace troupe::model {
namespace {

class Reader {
 public:
  Reader(const JsonTree& tokenizer, const std::string& name) : fields_(tokenizer, name) {}

  std::optional<HfTemplate> read(const JsonTree& step) {
    const JsonTree* type = step.find("type");
    const bool has_type = type != nullptr && type->text() != nullptr;
    const std::string_view kind = has_type ? std::string_view(*type->text()) : "";
    if (kind == "ByteLevel") return std::nullopt;  // changes offsets only
    if (kind == "TemplateProcessing") return read_template(step);
    const JsonTree* steps = kind == "Sequence" ? step.find("processors") : nullptr;
    if (steps == nullptr || steps->array() == nullptr)
      fail("is of type " + in_quotes(kind) + ", which is not supported");
    std::optional<HfTemplate> found;
    for (const JsonTree& one : *steps->array()) {
      const auto next = read(one);
      if (found && next) fail("has two templates");
      if (next) found = next;
    }
    return found;
  }

 private:
  [[noreturn]] void fail(const std::string& problem) const {
    fields_.fail("post_processor",
                 problem + ": give a model that puts nothing, or one token, before a text");
  }

  // [A], or [special, A].
  HfTemplate read_template(const JsonTree& step) const {
    const JsonTree* single = step.find("single");
    const JsonTree::Array* list = single != nullptr ? single->array() : nullptr;
    if (list == nullptr || list->empty() || list->size() > 2 || !is_text(list->back()))
      fail("does not end at the text");
    if (list->size() == 1) return {};
    return {id_of(step, list->front())};
  }

  static bool is_text(const JsonTree& part) {
    const JsonTree* sequence = part.find("Sequence");
    const JsonTree* id = sequence != nullptr ? sequence->find("id") : nullptr;
    return id != nullptr && id->text() != nullptr && *id->text() == "A";
  }

  // A template names its token; beside it stands which ids that means.
  std::uint64_t id_of(const JsonTree& step, const JsonTree& part) const {
    const JsonTree* special = part.find("SpecialToken");
    const JsonTree* name = special != nullptr ? special->find("id") : nullptr;
    const JsonTree* tokens = step.find("special_tokens");
    const bool is_named = name != nullptr && name->text() != nullptr && tokens != nullptr;
    const JsonTree* token = is_named ? tokens->find(*name->text()) : nullptr;
    const JsonTree* ids = token != nullptr ? token->find("ids") : nullptr;
    if (ids == nullptr || ids->array() == nullptr || ids->array()->size() != 1 ||
        !ids->array()->front().count())
      fail("begins with something else than a token");
    return *ids->array()->front().count();
  }

  HfFields fields_;
};

}  // namespace

std::optional<HfTemplate> read_hf_template(const JsonTree& tokenizer, const std::string& name) {
  const JsonTree* processor = tokenizer.find("post_processor");
  if (processor == nullptr) return std::nullopt;
  return Reader(tokenizer, name).read(*processor);
}

}  // namespace troupe::model
