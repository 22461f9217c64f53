// Whole files that a user names on the command line.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

namespace troupe::apps {

// Any bytes. Throws config::UserError when the file cannot be read or is longer than `bytes_max`.
std::string read_text_file(const std::filesystem::path& path, std::size_t bytes_max);

}  // namespace troupe::apps
