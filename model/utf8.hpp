// UTF-8 as a stream delivers it: which bytes are whole characters, which may still become one,
// which never will. Sources: RFC 3629; Unicode Standard 15, table 3-7 and "U+FFFD substitution of
// maximal subparts".
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace troupe::model::utf8 {

enum class SequenceKind : std::uint8_t {
  kValid,       // one whole character
  kUnfinished,  // the text ends inside a character that further bytes could complete
  kInvalid,     // no continuation makes these bytes a character
};

struct Sequence {
  SequenceKind kind = SequenceKind::kValid;
  std::size_t bytes =
      0;  // 1 … 4; of an invalid one, the maximal subpart that one U+FFFD stands for
};

// The sequence at the start of `bytes`, which must not be empty.
Sequence first_sequence(std::string_view bytes);

// How many bytes at the start of `bytes` are whole valid characters.
std::size_t valid_prefix(std::string_view bytes);

// How many bytes at the end of `bytes` begin a character that is not finished (0 … 3): what a
// stream holds back.
std::size_t unfinished_suffix(std::string_view bytes);

// `bytes` with every maximal subpart that is no character replaced by U+FFFD, an unfinished end
// included.
std::string replace_invalid(std::string_view bytes);

}  // namespace troupe::model::utf8
