// Packed weights that no file can hold: one copy in memory, for all who have its descriptor.
#include <sys/mman.h>

#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <iterator>
#include <string>
#include <vector>

#include "model/packed_file.hpp"
#include "tests/model/packing_fixture.hpp"

namespace troupe::model {
namespace {

using namespace packing;

struct MemoryFile {
  MemoryFile() : fd(memfd_create("packed", MFD_CLOEXEC)) {}

  ~MemoryFile() { close(fd); }

  // Of a model whose packed file cannot be written.
  void replace_file_of(Fixture& f) const {
    f.packed = "/proc/tiny.gguf.default.troupe";
    f.packed_memory = "/proc/self/fd/" + std::to_string(fd);
  }

  std::string content() const { return contents("/proc/self/fd/" + std::to_string(fd)); }

  int fd;
};

BOOST_AUTO_TEST_SUITE(packed_memory)

BOOST_AUTO_TEST_CASE(where_no_file_can_be_written_one_copy_in_memory_is_shared) {
  const MemoryFile memory;
  Fixture first;
  memory.replace_file_of(first);
  const PackedWeights weights = first.open();
  BOOST_TEST(first.packed_anew());
  Fixture second;
  memory.replace_file_of(second);
  const PackedWeights same = second.open();
  BOOST_TEST(!second.packed_anew());
  BOOST_TEST(second.noted.size() == 1U);
  BOOST_TEST(same.id() == weights.id());
  const std::string maps = contents("/proc/self/maps");
  const std::size_t one = maps.find("/memfd:packed");
  BOOST_TEST(one != std::string::npos);
  BOOST_TEST(maps.find("/memfd:packed", one + 1) != std::string::npos);
  second.packed = second.folder.path / "tiny.gguf.default.troupe";
  BOOST_TEST(second.open().id() == weights.id());  // nothing else differs
}

BOOST_AUTO_TEST_CASE(memory_with_other_weights_is_left_to_those_who_read_them) {
  const MemoryFile memory;
  Fixture one;
  memory.replace_file_of(one);
  Fixture other({.family = "qwen2", .tied = false});
  memory.replace_file_of(other);
  const PackedWeights weights = one.open();
  const std::string before = memory.content();
  BOOST_TEST(other.open().id() != weights.id());
  BOOST_TEST(other.packed_anew());
  BOOST_TEST((memory.content() == before));
}

BOOST_AUTO_TEST_CASE(memory_whose_packer_was_killed_is_filled_anew) {
  const MemoryFile memory;
  Fixture f;
  memory.replace_file_of(f);
  const std::string id = f.open().id();
  const std::vector<std::byte> torn(kPackedHeaderBytes);  // it is sealed last
  BOOST_REQUIRE(pwrite(memory.fd, torn.data(), torn.size(), 0) == std::ssize(torn));
  BOOST_TEST(f.open().id() == id);
  BOOST_TEST(f.packed_anew());
  f.open();
  BOOST_TEST(!f.packed_anew());
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::model
