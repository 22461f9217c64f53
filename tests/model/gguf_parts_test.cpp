// Models in several files, written as llama.cpp's gguf-split does: the metadata in the first part,
// `split.*` in each.
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "config/user_error.hpp"
#include "model/model_file.hpp"
#include "model/weights.hpp"
#include "tests/support/gguf_builder.hpp"

using namespace troupe;
using model::ModelFile;
using tests::GgufBuilder;

namespace {

namespace fs = std::filesystem;

struct Split {
  std::uint32_t number;
  std::uint32_t count;
  std::uint32_t tensors;
};

// A part with one tensor of four values that begin with `first`.
GgufBuilder part(Split split, const std::string& tensor, float first) {
  GgufBuilder builder;
  if (split.number == 0) builder.string("general.architecture", "llama");
  builder.uint32("split.no", split.number).uint32("split.count", split.count);
  builder.uint32("split.tensors.count", split.tensors);
  const std::vector<float> values = {first, 2, 3, 4};
  return builder.tensor_f32(tensor, {4}, values);
}

// A folder with m-00001-of-00003.gguf … that the test removes again.
struct Folder {
  fs::path path = fs::temp_directory_path() / ("troupe_parts_test_" + std::to_string(::getpid()));

  Folder() {
    fs::create_directories(path);
    part({0, 3, 3}, "b", 1).write(name(1));
    part({1, 3, 3}, "a", 10).write(name(2));
    part({2, 3, 3}, "c", 100).write(name(3));
  }

  ~Folder() { fs::remove_all(path); }

  fs::path name(int number) const {
    return path / ("m-0000" + std::to_string(number) + "-of-00003.gguf");
  }

  // The line that refuses the model, whose first part is named; empty when it opens.
  std::string refusal() const {
    try {
      ModelFile::open(name(1));
    } catch (const config::UserError& error) {
      return error.what();
    }
    return {};
  }
};

float first_value(const ModelFile& file, const std::string& tensor) {
  float value = 0;
  std::memcpy(&value, file.tensor(tensor).data.data(), sizeof value);
  return value;
}

void check_whole(const ModelFile& file, const Folder& folder) {
  BOOST_TEST(file.require_string("general.architecture") == "llama");
  BOOST_TEST(file.tensors().size() == 3U);
  BOOST_TEST(first_value(file, "a") == 10.0F);
  BOOST_TEST(first_value(file, "b") == 1.0F);
  BOOST_TEST(first_value(file, "c") == 100.0F);
  std::uint64_t bytes = 0;
  for (const int number : {1, 2, 3}) bytes += fs::file_size(folder.name(number));
  BOOST_TEST(file.size_bytes() == bytes);
}

}  // namespace

BOOST_AUTO_TEST_CASE(any_part_opens_the_whole_model) {
  const Folder folder;
  for (const int number : {1, 2, 3}) {
    const ModelFile file = ModelFile::open(folder.name(number));
    BOOST_TEST(file.name() == folder.name(1).string());
    check_whole(file, folder);
  }
}

BOOST_AUTO_TEST_CASE(a_link_leads_to_the_parts_beside_what_it_names) {
  const Folder folder;
  const fs::path link = folder.path / "link.gguf";
  fs::create_symlink(folder.name(1), link);
  check_whole(ModelFile::open(link), folder);
}

BOOST_AUTO_TEST_CASE(links_with_the_names_of_parts_lead_to_one_another) {
  const Folder folder;
  const fs::path other = folder.path / "other";
  fs::create_directory(other);
  for (const int number : {1, 2, 3}) {
    const fs::path content = folder.path / ("content" + std::to_string(number));
    fs::rename(folder.name(number), content);
    fs::create_symlink(content, other / folder.name(number).filename());
  }
  const ModelFile file = ModelFile::open(other / folder.name(2).filename());
  BOOST_TEST(first_value(file, "c") == 100.0F);
}

BOOST_AUTO_TEST_CASE(a_missing_part_is_named) {
  const Folder folder;
  fs::remove(folder.name(2));
  BOOST_TEST(folder.refusal() ==
             folder.name(2).string() + ": no such file: the model needs it; fetch all its parts");
}

BOOST_AUTO_TEST_CASE(a_doubled_part_is_named) {
  const Folder folder;
  fs::copy_file(folder.name(3), folder.name(2), fs::copy_options::overwrite_existing);
  BOOST_TEST(folder.refusal() ==
             folder.name(2).string() +
                 ": says that it is part 3 of 3, not part 2 of 3: fetch that part again");
}

BOOST_AUTO_TEST_CASE(a_foreign_part_is_named) {
  const Folder folder;
  const std::string second = folder.name(2).string();
  part({1, 3, 4}, "a", 1).write(second);
  BOOST_TEST(folder.refusal() ==
             second +
                 ": is a part of another model, of 4 tensors, not 3: fetch all parts of one "
                 "model");
  part({1, 2, 3}, "a", 1).write(second);
  BOOST_TEST(folder.refusal() ==
             second + ": says that it is part 2 of 2, not part 2 of 3: fetch that part again");
  part({1, 3, 3}, "b", 1).write(second);
  BOOST_TEST(folder.refusal() == second +
                                     ": holds the tensor 'b', which a part before it has: fetch "
                                     "all parts of one model");
  GgufBuilder().string("general.architecture", "llama").write(second);
  BOOST_TEST(folder.refusal() ==
             second + ": is a whole model, not part 2 of 3: fetch that part again");
}

BOOST_AUTO_TEST_CASE(wrong_counts_are_told) {
  const Folder folder;
  const std::string first = folder.name(1).string();
  for (const std::uint32_t number : {0U, 1U, 2U})
    part({number, 3, 5}, std::string(1, static_cast<char>('a' + number)), 1)
        .write(folder.name(static_cast<int>(number) + 1));
  BOOST_TEST(folder.refusal() ==
             first + ": the 3 parts hold 3 tensors, not 5: fetch all parts of one model");
  part({3, 3, 3}, "b", 1).write(first);
  BOOST_TEST(folder.refusal() == first +
                                     ": has the number 3 among 3 parts, which count from 0: split "
                                     "the model again");
  part({0, 1001, 3}, "b", 1).write(first);
  BOOST_TEST(folder.refusal().find("is one of 1001 parts, of which at most 1000 are accepted") !=
             std::string::npos);
  GgufBuilder().uint32("split.count", 3).write(first);
  BOOST_TEST(folder.refusal() == first + ": metadata 'split.no' is missing: split the model again");
  GgufBuilder().string("split.count", "three").write(first);
  BOOST_TEST(folder.refusal() ==
             first + ": metadata 'split.count' is no count: split the model again");
}

BOOST_AUTO_TEST_CASE(a_part_under_another_name_is_told_what_it_must_be_called) {
  const Folder folder;
  const fs::path renamed = folder.path / "model.gguf";
  fs::rename(folder.name(1), renamed);
  BOOST_CHECK_EXCEPTION(
      ModelFile::open(renamed), config::UserError, [&](const config::UserError& error) {
        return error.what() == renamed.string() +
                                   ": is part 1 of 3 of a model, so its name must end in "
                                   "-00001-of-00003.gguf: give the parts their names again";
      });
}

BOOST_AUTO_TEST_CASE(a_model_that_was_split_into_one_file_is_whole) {
  const Folder folder;
  const fs::path whole = folder.path / "whole.gguf";
  part({0, 1, 1}, "a", 1).write(whole);
  BOOST_TEST(ModelFile::open(whole).tensors().size() == 1U);
}

BOOST_AUTO_TEST_CASE(the_fingerprint_covers_every_part) {
  const Folder folder;
  const std::uint64_t before = model::weights_fingerprint(ModelFile::open(folder.name(1)));
  part({2, 3, 3}, "c", 101).write(folder.name(3));
  BOOST_TEST(model::weights_fingerprint(ModelFile::open(folder.name(1))) != before);
}
