#include "model/pretokenizer.hpp"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>
#include <limits>
#include <new>
#include <string>
#include <utility>
#include <vector>

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

// The pattern in Llama 3's tokenizer.json: Qwen2's with up to three digits together.
constexpr const char* kLlama3 = R"((?i:'s|'t|'re|'ve|'m|'ll|'d))"
                                R"(|[^\r\n\p{L}\p{N}]?\p{L}+)"
                                R"(|\p{N}{1,3})"
                                R"(| ?[^)" SPACES R"(\p{L}\p{N}]+[\r\n]*)"
                                R"(|[)" SPACES R"(]*[\r\n]+)"
                                R"(|[)" SPACES R"(]+(?![^)" SPACES R"(]))"
                                R"(|[)" SPACES R"(]+)";

// The five patterns in tokenizer.json of deepseek-ai/deepseek-llm-7b-base, each of which cuts what
// the one before it left. Each digit is
// a piece after them; llama.cpp keeps runs, which is the same where no token has two. White space
// at the end is matched from its beginning only, which finds the same and keeps runs inside a text
// linear.
constexpr const char* kDeepseekLines = R"([\r\n])";
// Letters with a case, by number: normalising this file must not change them.
constexpr const char* kDeepseekLetters =
    R"([)" SPACES R"(]?)"
    R"([A-Za-z\x{B5}\x{C0}-\x{D6}\x{D8}-\x{F6}\x{F8}-\x{1BA}\x{1BC}-\x{1BF}\x{1C4}-\x{293})"
    R"(\x{295}-\x{2AF}\x{370}-\x{373}\x{376}\x{377}\x{37B}-\x{37D}\x{37F}\x{386})"
    R"(\x{388}-\x{38A}\x{38C}\x{38E}-\x{3A1}\x{3A3}-\x{3F5}\x{3F7}-\x{481}\x{48A}-\x{52F})"
    R"(\x{531}-\x{556}\x{10A0}-\x{10C5}\x{13A0}-\x{13F5}\x{13F8}-\x{13FD}\x{1C90}-\x{1CBA})"
    R"(\x{1CBD}-\x{1CBF}\x{1D00}-\x{1D2B}\x{1D6B}-\x{1D77}\x{1D79}-\x{1D9A}\x{1E00}-\x{1F15})"
    R"(\x{1F18}-\x{1F1D}\x{1F20}-\x{1F45}\x{1F48}-\x{1F4D}\x{1F50}-\x{1F57}\x{1F59}\x{1F5B})"
    R"(\x{1F5D}\x{1F5F}-\x{1F7D}\x{1F80}-\x{1FB4}\x{1FB6}-\x{1FBC}\x{1FBE}\x{1FC2}-\x{1FC4})"
    R"(\x{1FC6}-\x{1FCC}\x{1FD0}-\x{1FD3}\x{1FD6}-\x{1FDB}\x{1FE0}-\x{1FEC}\x{1FF2}-\x{1FF4})"
    R"(\x{1FF6}-\x{1FFC}\x{2102}\x{2107}\x{210A}-\x{2113}\x{2115}\x{2119}-\x{211D}\x{2124})"
    R"(\x{2126}\x{2128}\x{212A}-\x{212D}\x{212F}-\x{2134}\x{2139}\x{213C}-\x{213F})"
    R"(\x{2145}-\x{2149}\x{214E}\x{2183}\x{2184}\x{2C00}-\x{2C7B}\x{2C7E}-\x{2CE4})"
    R"(\x{2CEB}-\x{2CEE}\x{2CF2}\x{2CF3}\x{A640}-\x{A66D}\x{A680}-\x{A69B}\x{A722}-\x{A76F})"
    R"(\x{A771}-\x{A787}\x{A78B}-\x{A78E}\x{AB70}-\x{ABBF}\x{FB00}-\x{FB06}\x{FB13}-\x{FB17})"
    R"(\x{FF21}-\x{FF3A}\x{FF41}-\x{FF5A}\x{10400}-\x{1044F}\x{104B0}-\x{104D3})"
    R"(\x{104D8}-\x{104FB}\x{10C80}-\x{10CB2}\x{10CC0}-\x{10CF2}\x{118A0}-\x{118DF})"
    R"(\x{1E900}-\x{1E943})"
    R"(]+)";
constexpr const char* kDeepseekPunctuation = R"([)" SPACES R"(]?[!-/:-~！-／：-～‘-‟　-。]+)";
constexpr const char* kDeepseekTail = R"((?<![)" SPACES R"(])[)" SPACES R"(]+\z)";
constexpr const char* kDeepseekCjk = R"([一-龥ࠀ-一가-퟿]+)";
constexpr const char* kDeepseekNumbers = R"(\p{N})";

#undef SPACES

using Patterns = std::vector<const char*>;

struct Named {
  std::vector<std::string_view> names;  // as tokenizer.ggml.pre has them
  Patterns patterns;                    // each cuts what the one before it left
  bool words = false;                   // a run of letters, a space before it or not, is one piece
  bool whole = false;                   // a piece that is a token is not merged
};

// The further names are those that llama.cpp's converter gave or gives to the same pattern:
// github.com/ggml-org/llama.cpp/blob/master/src/llama-vocab.cpp
const std::vector<Named>& all_named() {
  static const std::vector<Named> kNamed = {
      {{"smollm"}, {kSmollm}, true, false},
      {{"qwen2", "deepseek-r1-qwen"}, {kQwen2}, true, false},
      {{"gpt-2", "gpt2"}, {kGpt2}, true, false},
      {{"llama-bpe", "llama3", "llama-v3"}, {kLlama3}, true, true},
      {{"deepseek-llm"},
       {kDeepseekLines,
        kDeepseekLetters,
        kDeepseekPunctuation,
        kDeepseekTail,
        kDeepseekCjk,
        kDeepseekNumbers},
       true,
       false},
  };
  return kNamed;
}

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

// One compiled regular expression.
struct Pattern {
  explicit Pattern(const char* text);

  // The first match in `text`, valid UTF-8, at or after `from`: [begin, end). Both are the text's
  // size when there is none.
  std::pair<std::size_t, std::size_t> find(std::string_view text,
                                           std::size_t from,
                                           pcre2_match_data* data) const;

  std::unique_ptr<pcre2_code, Free> code;
  std::unique_ptr<pcre2_match_context, Free> context;
};

Pattern::Pattern(const char* text) {
  int error = 0;
  PCRE2_SIZE offset = 0;
  const std::uint32_t options = PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C;
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

std::pair<std::size_t, std::size_t> Pattern::find(std::string_view text,
                                                  std::size_t from,
                                                  pcre2_match_data* data) const {
  const auto* subject = reinterpret_cast<PCRE2_SPTR>(text.data());
  const auto match = [&](std::uint32_t options) {
    return pcre2_match(
        code.get(), subject, text.size(), from, PCRE2_NO_UTF_CHECK | options, data, context.get());
  };
  int count = match(0);
  // The interpreter takes its memory from the heap.
  if (count == PCRE2_ERROR_JIT_STACKLIMIT) count = match(PCRE2_NO_JIT);
  if (count == PCRE2_ERROR_NOMATCH) return {text.size(), text.size()};
  if (count == PCRE2_ERROR_NOMEMORY) throw std::bad_alloc();
  CHECK(count > 0, "no text makes these patterns fail otherwise");
  const PCRE2_SIZE* ends = pcre2_get_ovector_pointer(data);
  CHECK(ends[1] > ends[0], "no pattern matches nothing");
  return {ends[0], ends[1]};
}

bool is_letter(char byte) { return (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z'); }

// The length of the English word at the start of `text`, with a space before it or not; 0 when
// there is none, or when what follows it is not ASCII and may belong to it. Most pieces of English
// are such words, and a regular expression takes several times as long to find one.
std::size_t word_bytes(std::string_view text) {
  const std::size_t begin = text.starts_with(' ') ? 1 : 0;
  std::size_t end = begin;
  while (end < text.size() && is_letter(text[end])) ++end;
  if (end == begin) return 0;
  const bool known = end == text.size() || static_cast<unsigned char>(text[end]) < 0x80;
  return known ? end : 0;
}

using Pieces = std::vector<std::string_view>;

}  // namespace

struct Pretokenizer::Rules {
  explicit Rules(const Named& named) : words(named.words), whole(named.whole) {
    for (const char* pattern : named.patterns) patterns.emplace_back(pattern);
  }

  // Cuts valid UTF-8 by the patterns from `stage` on.
  void split_valid(std::string_view text,
                   std::size_t stage,
                   bool by_words,
                   pcre2_match_data* data,
                   Pieces& pieces) const;

  // Cuts any bytes.
  void split(std::string_view text, bool by_words, Pieces& pieces) const;

  std::vector<Pattern> patterns;
  bool words = false;
  bool whole = false;
};

void Pretokenizer::Rules::split_valid(std::string_view text,
                                      std::size_t stage,
                                      bool by_words,
                                      pcre2_match_data* data,
                                      Pieces& pieces) const {
  if (stage == patterns.size()) return pieces.push_back(text);
  const auto pass_on = [&](std::size_t begin, std::size_t end) {
    if (begin == end) return;
    split_valid(text.substr(begin, end - begin), stage + 1, by_words, data, pieces);
  };
  std::size_t done = 0;
  while (done < text.size()) {
    const std::size_t word = by_words ? word_bytes(text.substr(done)) : 0;
    if (word > 0) {  // no later pattern cuts it
      pieces.push_back(text.substr(done, word));
      done += word;
      continue;
    }
    const auto [begin, end] = patterns[stage].find(text, done, data);
    pass_on(done, begin);
    pass_on(begin, end);
    done = end;
  }
}

void Pretokenizer::Rules::split(std::string_view text, bool by_words, Pieces& pieces) const {
  const auto data = own(pcre2_match_data_create(1, nullptr));
  while (!text.empty()) {
    const std::string_view valid = text.substr(0, utf8::valid_prefix(text));
    text.remove_prefix(valid.size());
    split_valid(valid, 0, by_words, data.get(), pieces);
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

Pretokenizer::Pretokenizer(std::unique_ptr<const Rules> rules) : rules_(std::move(rules)) {}

Pretokenizer::~Pretokenizer() = default;

std::unique_ptr<const Pretokenizer> Pretokenizer::make(std::string_view name) {
  for (const Named& named : all_named()) {
    if (std::find(named.names.begin(), named.names.end(), name) == named.names.end()) continue;
    return std::unique_ptr<const Pretokenizer>(
        new Pretokenizer(std::make_unique<const Rules>(named)));
  }
  return nullptr;
}

std::string_view Pretokenizer::supported_names() {
  return "smollm, qwen2, deepseek-r1-qwen, gpt-2, llama-bpe, deepseek-llm";
}

void Pretokenizer::split(std::string_view text, std::vector<std::string_view>& pieces) const {
  rules_->split(text, rules_->words, pieces);
}

void Pretokenizer::split_by_patterns(std::string_view text,
                                     std::vector<std::string_view>& pieces) const {
  rules_->split(text, false, pieces);
}

bool Pretokenizer::prefers_whole_pieces() const { return rules_->whole; }

}  // namespace troupe::model
