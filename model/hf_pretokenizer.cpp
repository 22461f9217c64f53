#include "model/hf_pretokenizer.hpp"

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <vector>

namespace troupe::model {
namespace {

// One step as a line: what it is and how it is set, and the pattern where it has one.
using Steps = std::vector<std::string>;

constexpr const char* kBytes = "bytes";
constexpr const char* kBytesByPattern = "bytes by GPT-2's pattern";
constexpr const char* kEachDigit = "each digit";
constexpr const char* kUnknown = "?";

// A field that must be absent or have this value for the step to be the plain one.
bool is(const JsonTree& step, std::string_view field, bool value) {
  const JsonTree* found = step.find(field);
  return found == nullptr ? !value : found->flag() == value;
}

std::string text_of(const JsonTree& step, std::string_view field) {
  const JsonTree* found = step.find(field);
  return found != nullptr && found->text() != nullptr ? *found->text() : std::string();
}

// use_regex is true where it is absent, as in files older than the field.
bool uses_pattern(const JsonTree& step) {
  const JsonTree* found = step.find("use_regex");
  return found == nullptr || found->flag() != false;
}

std::string line_of(const JsonTree& step) {
  const std::string type = text_of(step, "type");
  if (type == "ByteLevel" && is(step, "add_prefix_space", false))
    return uses_pattern(step) ? kBytesByPattern : kBytes;
  if (type == "Digits" && is(step, "individual_digits", true)) return kEachDigit;
  const JsonTree* pattern = step.find("pattern");
  const bool isolates = text_of(step, "behavior") == "Isolated" && is(step, "invert", false);
  if (type == "Split" && isolates && pattern != nullptr) return text_of(*pattern, "Regex");
  return kUnknown;
}

Steps steps_of(const JsonTree& pre_tokenizer) {
  constexpr std::size_t kStepsMax = 16;  // the longest known has seven
  if (text_of(pre_tokenizer, "type") != "Sequence") return {line_of(pre_tokenizer)};
  const JsonTree* list = pre_tokenizer.find("pretokenizers");
  Steps steps;
  if (list == nullptr || list->array() == nullptr || list->array()->size() > kStepsMax)
    return steps;
  for (const JsonTree& step : *list->array()) steps.push_back(line_of(step));
  return steps;
}

// huggingface.co/Qwen/Qwen2.5-0.5B, also in DeepSeek-R1-Distill-Qwen; and with one to three digits
// a piece, huggingface.co/meta-llama/Llama-3.1-8B.
constexpr const char* kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr const char* kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|)"
    R"(\s*[\r\n]+|\s+(?!\S)|\s+)";

// huggingface.co/deepseek-ai/deepseek-llm-7b-base. Its second step lists the letters of all
// scripts that have upper and lower case, range by range; how it begins tells it from any other.
bool is_deepseek_llm(const Steps& steps) {
  constexpr std::string_view kLetters = R"(\s?[A-Za-zµÀ-ÖØ-öø-ƺƼ-ƿ)";
  constexpr std::string_view kMarks = R"(\s?[!-/:-~)";
  return steps.size() == 7 && (steps[0] == "[\r\n]" || steps[0] == R"([\r\n])") &&
         steps[1].starts_with(kLetters) && steps[2].starts_with(kMarks) && steps[3] == R"(\s+$)" &&
         steps[4] == "[一-龥ࠀ-一가-퟿]+" && steps[5] == kEachDigit && steps[6] == kBytes;
}

}  // namespace

std::optional<std::string> known_pretokenizer(const JsonTree& pre_tokenizer) {
  const Steps steps = steps_of(pre_tokenizer);
  if (steps == Steps{kBytesByPattern}) return "gpt-2";
  if (steps == Steps{kEachDigit, kBytesByPattern}) return "smollm";
  if (steps == Steps{kQwen2, kBytes}) return "qwen2";
  if (steps == Steps{kLlama3, kBytes}) return "llama-bpe";
  if (is_deepseek_llm(steps)) return "deepseek-llm";
  return std::nullopt;
}

}  // namespace troupe::model
