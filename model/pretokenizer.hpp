// Cuts text into the pieces that byte-pair merging never crosses: words, numbers, punctuation,
// white space.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

namespace troupe::model {

class Pretokenizer {
 public:
  // `name` as tokenizer.ggml.pre has it. Null when it is not one of `supported_names`.
  static std::unique_ptr<const Pretokenizer> make(std::string_view name);
  static std::string_view supported_names();

  ~Pretokenizer();
  Pretokenizer(const Pretokenizer&) = delete;
  Pretokenizer& operator=(const Pretokenizer&) = delete;

  // Appends views that cover `text` without a gap, in order. Any bytes are accepted: a run of bytes
  // that is not UTF-8 is a piece of its own. Safe to call from several threads at once; linear in
  // the text's length.
  void split(std::string_view text, std::vector<std::string_view>& pieces) const;

  // As `split` with the regular expressions alone: what its shortcut for words is held against.
  void split_by_patterns(std::string_view text, std::vector<std::string_view>& pieces) const;

  // Whether a piece that is a token is not merged at all.
  bool prefers_whole_pieces() const;

 private:
  struct Rules;
  explicit Pretokenizer(std::unique_ptr<const Rules> rules);

  std::unique_ptr<const Rules> rules_;
};

}  // namespace troupe::model
