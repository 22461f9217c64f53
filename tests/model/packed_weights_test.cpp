#include "model/packed_weights.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "config/user_error.hpp"
#include "model/checksum.hpp"
#include "model/gguf.hpp"
#include "model/packed_file.hpp"
#include "tests/model/tiny_model.hpp"

namespace troupe::model {
namespace {

namespace fs = std::filesystem;

// A folder that goes away with its contents.
struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "troupe-packed-XXXXXX").string();
    path = mkdtemp(name.data());
  }

  ~Folder() { fs::remove_all(path); }

  fs::path path;
};

// A tiny model and what opening its packed weights says.
struct Fixture {
  explicit Fixture(const tests::TinyModel& model = {}, int threads = 2)
      : bytes(model.build()),
        file(GgufFile::parse(bytes, "tiny.gguf")),
        architecture(read_architecture(file)),
        device(kernels::make_cpu_device(threads)),
        weights(read_weights(file, architecture, *device)) {}

  PackedWeights open() {
    said.clear();
    return open_packed_weights(file,
                               architecture,
                               weights,
                               *device,
                               {.precision = Precision::kDefault,
                                .packed_file = packed,
                                .progress = [this](const auto& text) { said.push_back(text); }});
  }

  bool packed_anew() const { return !said.empty(); }

  Folder folder;
  fs::path packed = folder.path / "tiny.gguf.default.troupe";
  std::vector<std::byte> bytes;
  GgufFile file;
  Architecture architecture;
  std::unique_ptr<kernels::Device> device;
  Weights weights;
  std::vector<std::string> said;
};

std::string contents(const fs::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void overwrite(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

std::size_t files_in(const fs::path& folder) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(folder), {}));
}

}  // namespace

BOOST_AUTO_TEST_SUITE(packed_weights)

BOOST_AUTO_TEST_CASE(the_second_start_maps_what_the_first_one_wrote) {
  Fixture f;
  const std::string hash = f.open().hash();
  BOOST_TEST(f.packed_anew());
  BOOST_TEST(files_in(f.folder.path) == 1U);
  const PackedWeights again = f.open();
  BOOST_TEST(!f.packed_anew());
  BOOST_TEST(again.hash() == hash);
}

BOOST_AUTO_TEST_CASE(packing_does_not_depend_on_threads_or_on_the_place) {
  Fixture one({}, 1);
  Fixture three({}, 3);
  three.packed = "";  // in memory
  BOOST_TEST(one.open().hash() == three.open().hash());
}

BOOST_AUTO_TEST_CASE(any_damaged_byte_makes_a_new_file) {
  Fixture f;
  const std::string hash = f.open().hash();
  const std::string whole = contents(f.packed);
  for (const std::size_t at : {std::size_t{0},
                               std::size_t{8},
                               std::size_t{20},
                               std::size_t{40},
                               kPackedHeaderBytes,
                               whole.size() / 2,
                               whole.size() - 1}) {
    std::string damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    overwrite(f.packed, damaged);
    const PackedWeights opened = f.open();
    BOOST_TEST(f.packed_anew(), "byte " << at);
    BOOST_TEST(opened.hash() == hash);
    BOOST_TEST((contents(f.packed) == whole));
  }
}

BOOST_AUTO_TEST_CASE(a_file_of_another_length_makes_a_new_one) {
  Fixture f;
  f.open();
  const std::string whole = contents(f.packed);
  for (const std::size_t length : {std::size_t{0}, std::size_t{100}, whole.size() - 1}) {
    overwrite(f.packed, whole.substr(0, length));
    f.open();
    BOOST_TEST(f.packed_anew());
    BOOST_TEST((contents(f.packed) == whole));
  }
  overwrite(f.packed, whole + "x");
  f.open();
  BOOST_TEST(f.packed_anew());
}

BOOST_AUTO_TEST_CASE(a_file_of_another_model_of_the_same_shape_makes_a_new_one) {
  Fixture f;
  f.open();
  const std::string whole = contents(f.packed);
  BOOST_TEST(verify_packed(std::as_bytes(std::span(whole)), "another key").has_value() == false);
  Fixture other({.family = "qwen2", .tied = false});
  other.packed = f.packed;
  const std::string hash = other.open().hash();
  BOOST_TEST(other.packed_anew());
  other.open();
  BOOST_TEST(!other.packed_anew());
  BOOST_TEST(f.open().hash() != hash);
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_written_keeps_the_weights_in_memory) {
  Fixture f;
  const std::string hash = f.open().hash();
  f.packed = f.folder.path / "missing" / "tiny.gguf.default.troupe";
  BOOST_TEST(f.open().hash() == hash);
  BOOST_TEST(f.said.at(0).find("cannot be written") != std::string::npos);
  f.packed = "/proc/tiny.gguf.default.troupe";
  BOOST_TEST(f.open().hash() == hash);
}

BOOST_AUTO_TEST_CASE(something_that_is_no_file_is_left_alone) {
  Fixture f;
  fs::create_directory(f.packed);
  overwrite(f.packed / "inside", "kept");
  BOOST_TEST(!f.open().hash().empty());
  BOOST_TEST(contents(f.packed / "inside") == "kept");
  BOOST_TEST(files_in(f.folder.path) == 1U);  // no draft stays behind
}

BOOST_AUTO_TEST_CASE(a_layer_too_wide_for_int32_sums_is_refused_with_the_remedy) {
  const Architecture wide{.display_name = "wide", .hidden = 1 << 17, .vocab = 32};
  try {
    packed_layout(wide);
    BOOST_ERROR("accepted");
  } catch (const config::UserError& error) {
    BOOST_TEST(std::string(error.what()).find("--precision fp32") != std::string::npos);
  }
}

BOOST_AUTO_TEST_CASE(a_checksum_sees_every_bit_and_the_length) {
  std::vector<std::byte> bytes(200);
  const std::uint64_t plain = checksum(bytes);
  for (const std::size_t at : {0U, 63U, 64U, 150U, 191U, 192U, 199U}) {
    bytes[at] ^= std::byte{1};
    BOOST_TEST(checksum(bytes) != plain);
    bytes[at] ^= std::byte{1};
  }
  BOOST_TEST(checksum(std::span(bytes).first(199)) != plain);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model
