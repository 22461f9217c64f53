// What the kinds of vocabulary have in common: plain text in, token ids out.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

namespace troupe::model {

class TextEncoder {
 public:
  virtual ~TextEncoder() = default;

  // Appends the ids of text in which no special token is looked for, and which begins the prompt
  // (`at_start`) or follows a special token. Safe to call from several threads at once.
  virtual void encode(std::string_view text,
                      bool at_start,
                      std::vector<std::int32_t>& ids) const = 0;
};

}  // namespace troupe::model
