// A copy of one of the tiny Hugging Face folders, whose files a test may change.
#pragma once

#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "config/user_error.hpp"
#include "model/architecture.hpp"
#include "model/model_file.hpp"
#include "tests/support/model_files.hpp"

namespace troupe::tests {

struct HfFolderCopy {
  explicit HfFolderCopy(const std::string& name) {
    std::filesystem::remove_all(path);
    std::filesystem::copy(repository() / "tests/model/data/hf" / name, path);
  }

  ~HfFolderCopy() { std::filesystem::remove_all(path); }

  nlohmann::json read(const std::string& file) const {
    std::ifstream stream(path / file);
    return nlohmann::json::parse(stream);
  }

  void write(const std::string& file, const std::string& text) const {
    std::ofstream(path / file) << text;
  }

  // Empty when the folder is accepted.
  std::string refusal() const {
    try {
      model::read_architecture(model::ModelFile::open(path));
    } catch (const config::UserError& error) {
      return error.what();
    }
    return {};
  }

  void check_refused(const std::string& words) const {
    const std::string line = refusal();
    BOOST_TEST(line.starts_with(path.string()), line);
    BOOST_TEST(line.find(words) != std::string::npos, "'" << line << "' lacks '" << words << "'");
    BOOST_TEST(line.find('\n') == std::string::npos);
  }

  // With `change` made to a JSON file, the folder is refused.
  template <typename Change>
  void check_refused(const std::string& file, const Change& change, const std::string& words) {
    const nlohmann::json before = read(file);
    nlohmann::json after = before;
    change(after);
    write(file, after.dump());
    check_refused(words);
    write(file, before.dump());
  }

  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               ("troupe_hf_folder_copy_" + std::to_string(::getpid()));
};

}  // namespace troupe::tests
