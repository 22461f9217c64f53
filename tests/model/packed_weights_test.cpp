#include "model/packed_weights.hpp"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstring>
#include <fstream>
#include <future>
#include <iterator>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "config/user_error.hpp"
#include "model/checksum.hpp"
#include "model/packed_file.hpp"
#include "tests/model/packing_fixture.hpp"

namespace troupe::model {
namespace {

using namespace packing;

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
  const std::string id = f.open().id();
  BOOST_TEST(f.packed_anew());
  BOOST_TEST(files_in(f.folder.path) == 1U);
  const PackedWeights again = f.open();
  BOOST_TEST(!f.packed_anew());
  BOOST_TEST(again.id() == id);
}

BOOST_AUTO_TEST_CASE(packing_beats_with_each_tensor) {
  Fixture f;
  int beats_before = 0;
  f.on_progress = [&] {
    if (f.said.back().starts_with("packing weights: layer 1 ")) beats_before = f.beats;
  };
  f.open();
  BOOST_TEST(beats_before > 0);  // calibration beats too
  constexpr int kMatricesPerLayer = 7;
  BOOST_TEST(f.beats - beats_before >= f.architecture.layers * kMatricesPerLayer + 1);
}

BOOST_AUTO_TEST_CASE(packing_does_not_depend_on_threads_or_on_the_place) {
  Fixture one({}, 1);
  Fixture three({}, 3);
  three.packed = "";  // in memory
  BOOST_TEST(one.open().id() == three.open().id());
}

BOOST_AUTO_TEST_CASE(any_damaged_byte_makes_a_new_file) {
  Fixture f;
  const std::string id = f.open().id();
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
    BOOST_TEST(opened.id() == id);
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
  const std::string id = other.open().id();
  BOOST_TEST(other.packed_anew());
  other.open();
  BOOST_TEST(!other.packed_anew());
  BOOST_TEST(f.open().id() != id);
}

// No byte of a model is left out, and nobody reads a model twice because its file was touched.
BOOST_AUTO_TEST_CASE(a_byte_changed_in_the_middle_of_a_tensor_makes_a_new_one) {
  Fixture f;
  const std::string id = f.open().id();
  Fixture other;
  other.packed = f.packed;
  const std::span<const std::byte> tensor = other.file.tensor("blk.1.ffn_down.weight").data;
  const auto at = static_cast<std::size_t>(tensor.data() - other.bytes.data()) + tensor.size() / 3;
  other.bytes[at] ^= std::byte{1};
  BOOST_TEST(other.open().id() != id);
  BOOST_TEST(other.packed_anew());
  BOOST_TEST(f.open().id() == id);
  BOOST_TEST(f.packed_anew());
}

BOOST_AUTO_TEST_CASE(another_stamp_is_written_in_place) {
  Fixture f;
  f.open();
  stamp_packed(f.packed, 7);
  const std::string whole = contents(f.packed);
  const std::string key = whole.data() + 32;  // ends with a zero
  const auto seal = verify_packed(std::as_bytes(std::span(whole)), key);
  BOOST_REQUIRE(seal.has_value());
  BOOST_TEST(seal->source.stamp == 7U);
  BOOST_TEST(seal->source.fingerprint == weights_fingerprint(f.file));
  f.open();  // a stamp that is not the model's costs reading it, nothing else
  BOOST_TEST(!f.packed_anew());
}

BOOST_AUTO_TEST_CASE(a_folder_that_cannot_be_written_keeps_the_weights_in_memory) {
  Fixture f;
  const std::string id = f.open().id();
  f.packed = f.folder.path / "missing" / "tiny.gguf.default.troupe";
  BOOST_TEST(f.open().id() == id);
  BOOST_TEST(f.noted.at(0).find("cannot be written (No such file or directory)") !=
             std::string::npos);
  f.packed = "/proc/tiny.gguf.default.troupe";
  BOOST_TEST(f.open().id() == id);
  BOOST_TEST(f.noted.size() == 1U);
  f.packed = f.folder.path / "free";
  fs::create_directory(f.folder.path / "free.draft");
  BOOST_TEST(f.open().id() == id);
  BOOST_TEST(f.noted.at(0).find("free.draft cannot be written (Is a directory)") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(whoever_finds_another_one_packing_waits_and_maps_the_same_file) {
  Fixture f;
  f.open();
  const std::string whole = contents(f.packed);
  fs::remove(f.packed);
  std::optional<PackedFileDraft> draft = PackedFileDraft::create(f.packed, whole.size()).draft;
  BOOST_REQUIRE(draft.has_value());
  std::promise<void> waiting;
  f.on_progress = [&waiting] { waiting.set_value(); };
  std::thread second([&f] { f.open(); });
  waiting.get_future().wait();
  std::memcpy(draft->bytes().data(), whole.data(), whole.size());
  BOOST_TEST(draft->publish() == 0);
  draft.reset();
  second.join();
  BOOST_REQUIRE(f.said.size() == 1U);
  BOOST_TEST(f.said[0].find("waiting for it") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(whoever_waited_for_one_that_failed_packs) {
  Fixture f;
  std::optional<PackedFileDraft> draft = PackedFileDraft::create(f.packed, 4096).draft;
  std::promise<void> waiting;
  f.on_progress = [&waiting, first = true]() mutable {
    if (std::exchange(first, false)) waiting.set_value();
  };
  std::thread second([&f] { f.open(); });
  waiting.get_future().wait();
  draft.reset();
  second.join();
  BOOST_TEST(f.said.size() > 1U);
  BOOST_TEST(files_in(f.folder.path) == 1U);
  f.on_progress = {};
  f.open();
  BOOST_TEST(!f.packed_anew());
}

BOOST_AUTO_TEST_CASE(what_a_killed_process_left_is_taken_over) {
  Fixture f;
  overwrite(f.packed.string() + ".draft", std::string(5'000'000, 'x'));
  f.open();
  BOOST_TEST(files_in(f.folder.path) == 1U);
  f.open();
  BOOST_TEST(!f.packed_anew());
}

BOOST_AUTO_TEST_CASE(a_full_disk_keeps_the_weights_in_memory) {
  Fixture f;
  rlimit before{};
  BOOST_REQUIRE(getrlimit(RLIMIT_FSIZE, &before) == 0);
  const auto handler = signal(SIGXFSZ, SIG_IGN);
  const rlimit small{.rlim_cur = 4096, .rlim_max = before.rlim_max};
  BOOST_REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string id = f.open().id();
  BOOST_REQUIRE(setrlimit(RLIMIT_FSIZE, &before) == 0);
  signal(SIGXFSZ, handler);
  BOOST_TEST(f.noted.at(0).find("cannot be written (File too large)") != std::string::npos);
  BOOST_TEST(files_in(f.folder.path) == 0U);
  BOOST_TEST(f.open().id() == id);
}

BOOST_AUTO_TEST_CASE(each_part_of_a_large_file_that_is_checked_or_allocated_is_a_beat) {
  constexpr std::size_t kParts = 3;
  const std::size_t bytes = kPackedHeaderBytes + (kParts - 1) * kPartBytes + 64;
  Folder folder;
  int beats = 0;
  const auto beat = [&beats] { ++beats; };
  const auto take_beats = [&beats] { return static_cast<std::size_t>(std::exchange(beats, 0)); };
  auto draft = PackedFileDraft::create(folder.path / "large", bytes, {}, beat).draft;
  BOOST_REQUIRE(draft.has_value());
  BOOST_TEST(take_beats() == kParts);
  const std::uint64_t sealed = seal_packed(draft->bytes(), "key", {}, beat).payload_checksum;
  BOOST_TEST(take_beats() == kParts);
  const std::span<const std::byte> file = draft->bytes();
  BOOST_TEST(verify_packed(file, "key", beat).value().payload_checksum == sealed);
  BOOST_TEST(take_beats() == kParts);
}

BOOST_AUTO_TEST_CASE(a_start_beats_while_it_hashes_allocates_seals_and_checks) {
  Fixture f;
  f.open();  // allocates, hashes the model, seals, checks what it then maps, and hashes again
  const auto tensors = static_cast<int>(f.file.tensors().size());
  BOOST_TEST(f.parts == 3 + 2 * tensors);
  f.open();
  BOOST_TEST(f.parts == 4 + 3 * tensors);
}

BOOST_AUTO_TEST_CASE(something_that_is_no_file_is_left_alone) {
  Fixture f;
  fs::create_directory(f.packed);
  overwrite(f.packed / "inside", "kept");
  BOOST_TEST(!f.open().id().empty());
  BOOST_TEST(f.noted.at(0).find("cannot be written (Is a directory)") != std::string::npos);
  BOOST_TEST(std::ranges::count(f.said, "packing weights: head") == 1);  // not first for the file
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
