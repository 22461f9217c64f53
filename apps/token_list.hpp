// Token ids from a JSON file that a user wrote.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace troupe::apps {

// A list of ids, or an object with such a list under "ids" (what `troupe tokenize --json` prints).
// Every id is in [0, vocab), and there is at least one; else config::UserError, which calls the
// text `name`.
std::vector<std::int32_t> parse_token_list(std::string_view text,
                                           const std::string& name,
                                           std::int32_t vocab);

}  // namespace troupe::apps
