#include "model/pretokenizer.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <limits>
#include <new>
#include <string>
#include <utility>

#include "config/check.hpp"
#include "model/utf8.hpp"

namespace troupe::model {
namespace {

// Unicode's White_Space property, which the original tokenizers' \s means. PCRE2's own \s has
// U+180E besides.
#define SPACES \
  R"(\t-\r\x{20}\x{85}\x{A0}\x{1680}\x{2000}-\x{200A}\x{2028}\x{2029}\x{202F}\x{205F}\x{3000})"

// The pattern of GPT-2, github.com/openai/gpt-2/blob/master/src/encoder.py, as one alternative a
// line.
constexpr const char* kGpt2 = R"('s|'t|'re|'ve|'m|'ll|'d)"
                              R"(| ?\p{L}+)"
                              R"(| ?\p{N}+)"
                              R"(| ?[^)" SPACES R"(\p{L}\p{N}]+)"
                              R"(|[)" SPACES R"(]+(?![^)" SPACES R"(]))"
                              R"(|[)" SPACES R"(]+)";

// SmolLM's tokenizer.json first cuts out every digit and then applies GPT-2's pattern to what lies
// between. In one pattern: a digit is a piece, and white space that ends at a digit ends as it
// would at the end of the text.
constexpr const char* kSmollm = R"('s|'t|'re|'ve|'m|'ll|'d)"
                                R"(|\p{N})"
                                R"(| ?\p{L}+)"
                                R"(| ?[^)" SPACES R"(\p{L}\p{N}]+)"
                                R"(|[)" SPACES R"(]+(?![^)" SPACES R"(\p{N}]))"
                                R"(|[)" SPACES R"(]+)";

// The pattern in Qwen2's tokenizer.json: huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct
constexpr const char* kQwen2 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
                               R"(|[^\r\n\p{L}\p{N}]?\p{L}+)"
                               R"(|\p{N})"
                               R"(| ?[^)" SPACES R"(\p{L}\p{N}]+[\r\n]*)"
                               R"(|[)" SPACES R"(]*[\r\n]+)"
                               R"(|[)" SPACES R"(]+(?![^)" SPACES R"(]))"
                               R"(|[)" SPACES R"(]+)";

#undef SPACES

struct Named {
  std::string_view name;
  const char* pattern;
};

constexpr Named kPatterns[] = {{"smollm", kSmollm}, {"qwen2", kQwen2}, {"gpt-2", kGpt2}};

// PCRE2's objects, freed as it wants.
struct Free {
  void operator()(pcre2_code* code) const { pcre2_code_free(code); }

  void operator()(pcre2_match_data* data) const { pcre2_match_data_free(data); }

  void operator()(pcre2_match_context* context) const { pcre2_match_context_free(context); }
};

template <typename T>
std::unique_ptr<T, Free> own(T* object) {
  if (object == nullptr) throw std::bad_alloc();
  return std::unique_ptr<T, Free>(object);
}

}  // namespace

struct Pretokenizer::Pattern {
  explicit Pattern(const char* text);

  // Length of the match at the start of `rest`, which is valid UTF-8; 0 when nothing matches there.
  std::size_t match(std::string_view rest, pcre2_match_data* data) const;

  std::unique_ptr<pcre2_code, Free> code;
  std::unique_ptr<pcre2_match_context, Free> context;
};

Pretokenizer::Pattern::Pattern(const char* text) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  // Anchored: every character is in some alternative, so that a match elsewhere would only waste a
  // search.
  const std::uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_ANCHORED | PCRE2_NEVER_BACKSLASH_C;
  code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text),
                           PCRE2_ZERO_TERMINATED,
                           options,
                           &error,
                           &offset,
                           nullptr));
  CHECK(code != nullptr, "the patterns above are valid");
  // Without a just-in-time compiler matching is slower and the same.
  pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
  context = own(pcre2_match_context_create(nullptr));
  // The patterns backtrack at most once through a run of white space, which is linear; the
  // library's limit of ten million steps would fail longer runs.
  pcre2_set_match_limit(context.get(), std::numeric_limits<std::uint32_t>::max());
}

std::size_t Pretokenizer::Pattern::match(std::string_view rest, pcre2_match_data* data) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(rest.data());
  int count =
      pcre2_match(code.get(), subject, rest.size(), 0, PCRE2_NO_UTF_CHECK, data, context.get());
  if (count == PCRE2_ERROR_JIT_STACKLIMIT) {  // the interpreter takes its memory from the heap
    count = pcre2_match(code.get(),
                        subject,
                        rest.size(),
                        0,
                        PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                        data,
                        context.get());
  }
  if (count == PCRE2_ERROR_NOMATCH) return 0;
  if (count == PCRE2_ERROR_NOMEMORY) throw std::bad_alloc();
  CHECK(count > 0, "no text makes these patterns fail otherwise");
  return pcre2_get_ovector_pointer(data)[1];
}

Pretokenizer::Pretokenizer(std::unique_ptr<const Pattern> pattern) : pattern_(std::move(pattern)) {}

Pretokenizer::~Pretokenizer() = default;

std::unique_ptr<const Pretokenizer> Pretokenizer::make(std::string_view name) {
  for (const Named& named : kPatterns) {
    if (named.name != name) continue;
    return std::unique_ptr<const Pretokenizer>(
        new Pretokenizer(std::make_unique<const Pattern>(named.pattern)));
  }
  return nullptr;
}

std::string_view Pretokenizer::supported_names() { return "smollm, qwen2, gpt-2"; }

void Pretokenizer::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  const auto data = own(pcre2_match_data_create(1, nullptr));
  while (!text.empty()) {
    std::string_view valid = text.substr(0, utf8::valid_prefix(text));
    text.remove_prefix(valid.size());
    while (!valid.empty()) {
      const std::size_t matched = pattern_->match(valid, data.get());
      CHECK(matched > 0, "every character is in some alternative");
      pieces.push_back(valid.substr(0, matched));
      valid.remove_prefix(matched);
    }
    std::size_t invalid = 0;
    while (invalid < text.size()) {
      const utf8::Sequence sequence = utf8::first_sequence(text.substr(invalid));
      if (sequence.kind == utf8::SequenceKind::kValid) break;
      invalid += sequence.bytes;
    }
    if (invalid > 0) pieces.push_back(text.substr(0, invalid));
    text.remove_prefix(invalid);
  }
}

}  // namespace troupe::model
