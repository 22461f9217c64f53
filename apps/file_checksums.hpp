// The SHA-256 of a model's files, and what is stated of it beside them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "model/model_file.hpp"

namespace troupe::apps {

struct FileChecksum {
  std::string file;
  std::uint64_t bytes = 0;
  std::string sha256;                 // of what was opened
  std::optional<std::string> stated;  // by FILE.sha256, where there is one; empty: by no digest
};

// Large files take seconds: `goes_on`, if any, is asked now and then, and files are left out from
// when it says no.
std::vector<FileChecksum> file_checksums(const model::ModelFile& file,
                                         const std::function<bool()>& goes_on = {});

// The digest at the beginning of what sha256sum writes, in lower case; empty when there is none.
std::string stated_sha256(const std::string& text);

}  // namespace troupe::apps
