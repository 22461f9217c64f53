// The end of what a command prints.
#pragma once

namespace troupe::apps {

// Writes what is buffered. Throws config::UserError when standard output did not take everything: a
// full disk must not look like success.
void finish_output();

}  // namespace troupe::apps
