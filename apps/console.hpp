// Lines for the person who watches a node. A terminal that stands still (Ctrl-S, a full pipe) costs
// lines, never time: root may not wait for it.
#pragma once

#include <string>
#include <string_view>

namespace troupe::apps {

// "troupe: TEXT" on standard error, on one line.
void say(std::string_view text);

// Bytes as they are, for what children write.
void pass_on(std::string_view bytes);

// "3.2 s"
std::string in_seconds(double seconds);

}  // namespace troupe::apps
