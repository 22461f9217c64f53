// Where tests find the real model files.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>

namespace troupe::tests {

inline constexpr const char* kSmolLm2 = "SmolLM2-135M-Instruct.Q4_1.gguf";
inline constexpr const char* kQwenCoder = "Qwen2.5-Coder-0.5B-Instruct-Q4_K_M.gguf";

inline std::filesystem::path repository() {
  return std::filesystem::path(__FILE__).parent_path().parent_path().parent_path();
}

// The folder is TROUPE_MODELS, or models/ in the repository. A missing file fails the test that
// needs it.
inline std::filesystem::path model_file(const std::string& name) {
  const char* folder = std::getenv("TROUPE_MODELS");
  const std::filesystem::path path = (folder != nullptr ? folder : repository() / "models") / name;
  if (!std::filesystem::exists(path)) {
    throw std::runtime_error(path.string() + " is missing: run scripts/fetch_model.sh");
  }
  return path;
}

}  // namespace troupe::tests
