#include "model/precision.hpp"

#include "config/user_error.hpp"

namespace troupe::model {

Precision parse_precision(std::string_view text) {
  if (text == "default") return Precision::kDefault;
  if (text == "exact") return Precision::kExact;
  if (text == "fp32") return Precision::kFp32;
  throw config::UserError("--precision " + std::string(text) +
                          ": unknown; use default, exact or fp32");
}

std::filesystem::path packed_file_of(const std::filesystem::path& model_file) {
  if (model_file.empty()) return {};
  std::filesystem::path packed = model_file;
  packed += ".default.troupe";
  return packed;
}

}  // namespace troupe::model
