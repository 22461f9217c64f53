#include "model/precision.hpp"

#include "config/user_error.hpp"

namespace troupe::model {

Precision parse_precision(std::string_view text) {
  for (const Precision precision :
       {Precision::kDefault, Precision::kQ4, Precision::kExact, Precision::kFp32}) {
    if (text == name_of(precision)) return precision;
  }
  throw config::UserError("--precision " + std::string(text) +
                          ": unknown; use default, q4, exact or fp32");
}

std::string_view name_of(Precision precision) {
  switch (precision) {
    case Precision::kDefault:
      return "default";
    case Precision::kQ4:
      return "q4";
    case Precision::kExact:
      return "exact";
    case Precision::kFp32:
      break;
  }
  return "fp32";
}

kernels::KvType parse_kv_type(std::string_view text, Precision precision) {
  if (text != "bf16" && text != "int8")
    throw config::UserError("--kv " + std::string(text) + ": unknown; use bf16 or int8");
  if (precision == Precision::kFp32) return kernels::KvType::kF32;
  return text == "bf16" ? kernels::KvType::kBf16 : kernels::KvType::kInt8;
}

std::string_view name_of(kernels::KvType type) {
  switch (type) {
    case kernels::KvType::kF32:
      return "f32";
    case kernels::KvType::kBf16:
      return "bf16";
    case kernels::KvType::kInt8:
      break;
  }
  return "int8";
}

std::filesystem::path packed_file_of(const std::filesystem::path& model_file, Precision precision) {
  const bool is_packed = precision == Precision::kDefault || precision == Precision::kQ4;
  if (model_file.empty() || !is_packed) return {};
  std::error_code error;
  // In a folder, not beside it: what lies beside may be the models of a cache that others keep.
  const bool is_folder = std::filesystem::is_directory(model_file, error);
  std::filesystem::path packed = is_folder ? model_file / "weights" : model_file;
  packed += "." + std::string(name_of(precision)) + ".troupe";
  return packed;
}

}  // namespace troupe::model
