// Packing a real model may not take much more memory than what it makes: it happens on machines
// that were chosen to run the model.
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <filesystem>
#include <string>

#include "model/model_file.hpp"
#include "model/packed_file.hpp"
#include "model/packed_storage.hpp"
#include "model/transformer.hpp"
#include "tests/support/model_files.hpp"

namespace troupe::model {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "troupe-packing-XXXXXX").string();
    path = mkdtemp(name.data());
  }

  ~Folder() { fs::remove_all(path); }

  fs::path path;
};

// In a process of its own, so that the peak is the packing's.
std::uint64_t peak_bytes_of_packing(const fs::path& model,
                                    Precision precision,
                                    const fs::path& packed) {
  const pid_t child = fork();
  if (child == 0) {
    const ModelFile file = ModelFile::open(model);
    const auto device = kernels::make_cpu_device(0);
    const Transformer transformer(
        file, *device, 1, {.precision = precision, .packed_file = packed});
    _exit(0);
  }
  int status = 0;
  rusage usage{};
  BOOST_REQUIRE(wait4(child, &status, 0, &usage) == child);
  BOOST_REQUIRE(status == 0);
  return static_cast<std::uint64_t>(usage.ru_maxrss) * 1024;
}

void check(const char* name, Precision precision) {
  const Folder folder;
  const fs::path packed = folder.path / "packed.troupe";
  const std::uint64_t peak = peak_bytes_of_packing(tests::model_file(name), precision, packed);
  const auto size = static_cast<double>(fs::file_size(packed));
  BOOST_TEST_MESSAGE(name << " " << name_of(precision) << ": packed " << size / 1e6 << " MB, peak "
                          << static_cast<double>(peak) / 1e6 << " MB");
  BOOST_TEST(static_cast<double>(peak) < 1.3 * size);
}

}  // namespace

BOOST_AUTO_TEST_SUITE(packing_memory)

BOOST_AUTO_TEST_CASE(int8_of_smollm2_stays_below_its_bound) {
  check(tests::kSmolLm2, Precision::kDefault);
}

BOOST_AUTO_TEST_CASE(q4_of_smollm2_stays_below_its_bound) {
  check(tests::kSmolLm2, Precision::kQ4);
}

BOOST_AUTO_TEST_CASE(q4_of_qwen_coder_stays_below_its_bound) {
  check(tests::kQwenCoder, Precision::kQ4);
}

BOOST_AUTO_TEST_CASE(int8_of_qwen_coder_stays_below_its_bound) {
  check(tests::kQwenCoder, Precision::kDefault);
}

// The model is read once for a copy of its packed file, whose stamp is not the model's, and then no
// more.
BOOST_AUTO_TEST_CASE(a_model_is_read_again_only_where_its_stamp_is_another) {
  const Folder folder;
  const ModelFile file = ModelFile::open(tests::model_file(tests::kSmolLm2));
  const auto device = kernels::make_cpu_device(0);
  int parts = 0;
  const auto start = [&] {
    parts = 0;
    const Transformer transformer(file,
                                  *device,
                                  1,
                                  {.precision = Precision::kQ4,
                                   .packed_file = folder.path / "packed.troupe",
                                   .on_part = [&parts] { ++parts; }});
    return transformer.numerics_id();
  };
  BOOST_REQUIRE(file.stamp() != 0U);
  const std::string id = start();
  BOOST_TEST(start() == id);
  const int parts_of_the_packed_file = parts;
  stamp_packed(folder.path / "packed.troupe", file.stamp() + 1);
  BOOST_TEST(start() == id);
  BOOST_TEST(parts >= parts_of_the_packed_file + std::ssize(file.tensors()));
  BOOST_TEST(start() == id);
  BOOST_TEST(parts == parts_of_the_packed_file);
}

// As by a process that still reads the one model when another one has packed the other: a link that
// names now this, now that.
BOOST_AUTO_TEST_CASE(a_stamp_of_one_model_in_the_packed_file_of_another_fits_nothing_there) {
  const Folder folder;
  const fs::path packed = folder.path / "packed.troupe";
  const ModelFile one = ModelFile::open(tests::model_file(tests::kSmolLm2));
  const ModelFile other = ModelFile::open(tests::model_file(tests::kQwenCoder));
  const auto payload_of = [&](const ModelFile& source, std::byte content) {
    const auto storage = open_or_pack({.file = packed,
                                       .payload_bytes = 64,
                                       .source = source,
                                       .key = "of either",
                                       .fill = [&](std::span<std::byte> payload, const auto&) {
                                         std::ranges::fill(payload, content);
                                       }});
    return storage->payload().front();
  };
  const auto stamp = [&] {
    const auto mapping = map_packed_file(packed, kPackedHeaderBytes + 64);
    return verify_packed(mapping->bytes(), "of either")->source.stamp;
  };
  payload_of(one, std::byte{1});
  const std::uint64_t stamp_of_one = stamp();
  BOOST_REQUIRE(stamp_of_one != 0U);
  payload_of(other, std::byte{2});
  stamp_packed(packed, stamp_of_one);
  BOOST_TEST((payload_of(one, std::byte{1}) == std::byte{1}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model
