#include <sys/stat.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "config/user_error.hpp"
#include "model/model_file.hpp"
#include "tests/support/gguf_builder.hpp"
#include "tests/support/model_files.hpp"

using namespace troupe;
using kernels::TensorType;
using model::ModelFile;
using tests::GgufBuilder;
using tests::GgufBytes;

namespace {

// A file name that the test removes again.
struct TemporaryPath {
  std::filesystem::path path = std::filesystem::temp_directory_path() /
                               ("troupe_gguf_test_" + std::to_string(::getpid()) + ".gguf");

  ~TemporaryPath() { std::filesystem::remove_all(path); }
};

const std::vector<float> kFour = {1.0F, 2.0F, 3.0F, 4.0F};

GgufBuilder tiny() {
  GgufBuilder builder;
  builder.string("general.architecture", "llama").uint32("count", 7).float32("ratio", 0.5F);
  builder.boolean("flag", true).strings("words", {"one", "", "three"}).int32s("numbers", {-1, 2});
  builder.tensor_f32("b", {2, 2}, kFour).tensor_f32("a", {4}, kFour);
  return builder;
}

// The line that refuses `bytes`; empty when they are accepted.
std::string refusal(const std::vector<std::byte>& bytes) {
  try {
    ModelFile::parse(bytes, "m.gguf");
  } catch (const config::UserError& error) {
    return error.what();
  }
  return {};
}

void check_refused(const GgufBuilder& builder, const std::string& words) {
  const std::string line = refusal(builder.build());
  BOOST_TEST(line.starts_with("m.gguf: "), line);
  BOOST_TEST(line.find(words) != std::string::npos, "'" << line << "' lacks '" << words << "'");
  BOOST_TEST(line.find('\n') == std::string::npos);
}

void check_tensor_refused(std::vector<std::uint64_t> shape,
                          TensorType type,
                          std::uint64_t offset,
                          const std::string& words) {
  GgufBuilder builder;
  builder.tensor_at("t", type, shape, offset, std::as_bytes(std::span(kFour)));
  check_refused(builder, words);
}

template <typename Call>
std::string message_of(const Call& call) {
  try {
    call();
  } catch (const config::UserError& error) {
    return error.what();
  }
  return {};
}

}  // namespace

BOOST_AUTO_TEST_CASE(metadata_and_tensors_come_back_as_they_were_written) {
  const auto bytes = tiny().build();
  const ModelFile file = ModelFile::parse(bytes, "m.gguf");
  BOOST_TEST(file.size_bytes() == bytes.size());
  BOOST_TEST(file.require_string("general.architecture") == "llama");
  BOOST_TEST(file.require_uint("count") == 7U);
  BOOST_TEST(file.require_float("ratio") == 0.5);
  BOOST_TEST(file.find_bool("flag").value());
  BOOST_TEST((*file.find_strings("words") == std::vector<std::string>{"one", "", "three"}));
  BOOST_TEST(!file.find_uint("absent").has_value());
  BOOST_TEST(file.find_strings("absent") == nullptr);
  BOOST_TEST(file.tensors().size() == 2U);
  const model::TensorInfo& tensor = file.tensor("b");
  BOOST_TEST((tensor.shape == std::vector<std::uint64_t>{2, 2}));
  BOOST_TEST(tensor.data.size() == 16U);
  BOOST_TEST(std::memcmp(tensor.data.data(), kFour.data(), 16) == 0);
  BOOST_TEST(file.find_tensor("c") == nullptr);
}

BOOST_AUTO_TEST_CASE(integers_of_every_width_and_sign_are_read_when_they_fit) {
  GgufBuilder builder;
  builder.raw("u8", 0, GgufBytes().number<std::uint8_t>(200))
      .raw("i8", 1, GgufBytes().number<std::int8_t>(100));
  builder.raw("u16", 2, GgufBytes().number<std::uint16_t>(60000))
      .raw("i16", 3, GgufBytes().number<std::int16_t>(300));
  builder.raw("i32", 5, GgufBytes().number<std::int32_t>(-5))
      .raw("u64", 10, GgufBytes().number(~std::uint64_t{0}));
  builder.raw("i64", 11, GgufBytes().number<std::int64_t>(5))
      .raw("f64", 12, GgufBytes().number(0.25));
  const auto bytes = builder.build();
  const ModelFile file = ModelFile::parse(bytes, "m.gguf");
  BOOST_TEST(file.require_uint("u8") == 200U);
  BOOST_TEST(file.require_uint("i8") == 100U);
  BOOST_TEST(file.require_uint("u16") == 60000U);
  BOOST_TEST(file.require_uint("i16") == 300U);
  BOOST_TEST(file.require_uint("u64") == ~std::uint64_t{0});
  BOOST_TEST(file.require_uint("i64") == 5U);
  BOOST_TEST(file.require_float("f64") == 0.25);
  BOOST_TEST(message_of([&] { file.require_uint("i32"); }).find("is negative (-5)") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_value_of_another_type_and_a_missing_one_are_named) {
  const auto bytes = tiny().build();
  const ModelFile file = ModelFile::parse(bytes, "m.gguf");
  BOOST_TEST(message_of([&] { file.find_uint("ratio"); }) ==
             "m.gguf: metadata 'ratio' is a float, not an integer: convert the model again");
  BOOST_TEST(
      message_of([&] { file.find_string("count"); }) ==
      "m.gguf: metadata 'count' is an unsigned integer, not a string: convert the model again");
  BOOST_TEST(message_of([&] { file.require_string("absent"); }) ==
             "m.gguf: metadata 'absent' is missing: convert the model again");
  BOOST_TEST(message_of([&] { file.tensor("absent"); }) ==
             "m.gguf: tensor 'absent' is missing: convert the model again");
}

BOOST_AUTO_TEST_CASE(a_tensor_of_an_unsupported_type_is_refused_only_when_it_is_wanted) {
  GgufBuilder builder = tiny();
  builder.tensor("iq", TensorType{23}, {32}, std::as_bytes(std::span(kFour)));
  builder.tensor("odd", TensorType{4242}, {32}, std::as_bytes(std::span(kFour)));
  const auto bytes = builder.build();
  const ModelFile file = ModelFile::parse(bytes, "m.gguf");
  BOOST_TEST(file.tensor("a").data.size() == 16U);
  BOOST_TEST(message_of([&] {
               file.tensor("iq");
             }).find("has type IQ4_XS (23), which is not supported") != std::string::npos);
  BOOST_TEST(message_of([&] { file.tensor("odd"); }).find("has type unknown (4242)") !=
             std::string::npos);
}

BOOST_AUTO_TEST_CASE(an_alignment_other_than_32_is_honoured) {
  GgufBuilder builder;
  builder.alignment = 128;
  builder.tensor_f32("a", {4}, kFour).tensor_f32("b", {4}, kFour);
  const auto bytes = builder.build();
  const ModelFile file = ModelFile::parse(bytes, "m.gguf");
  BOOST_TEST((file.tensor("b").data.data() - bytes.data()) % 128 == 0);
  BOOST_TEST(std::memcmp(file.tensor("b").data.data(), kFour.data(), 16) == 0);
}

BOOST_AUTO_TEST_CASE(a_file_of_another_kind_version_or_byte_order_is_refused) {
  BOOST_TEST(refusal({}) == "m.gguf: the file is empty: fetch it again");
  GgufBuilder builder = tiny();
  builder.magic = "PK\x03\x04";
  check_refused(builder, "does not begin with GGUF");
  builder.magic = "GGUF";
  for (const std::uint32_t version : {0U, 1U, 4U}) {
    builder.version = version;
    check_refused(builder,
                  "version " + std::to_string(version) +
                      " is not supported, only GGUF versions 2 and 3: convert the model again");
  }
  for (const std::uint32_t version : {0x01000000U, 0x02000000U, 0x03000000U}) {
    builder.version = version;
    check_refused(builder, "is big-endian: get the little-endian file of this model");
  }
}

BOOST_AUTO_TEST_CASE(version_2_reads_as_version_3_does) {
  GgufBuilder builder = tiny();
  const auto third = builder.build();
  builder.version = 2;
  const auto second = builder.build();
  const ModelFile file = ModelFile::parse(second, "m.gguf");
  BOOST_TEST((file.metadata() == ModelFile::parse(third, "m.gguf").metadata()));
  BOOST_TEST(std::memcmp(file.tensor("a").data.data(), kFour.data(), 16) == 0);
}

BOOST_AUTO_TEST_CASE(counts_that_the_file_cannot_hold_are_refused_before_memory_is_taken) {
  for (const std::uint64_t count :
       {std::uint64_t{1} << 20, std::uint64_t{1} << 62, ~std::uint64_t{0} - 10}) {
    GgufBuilder builder = tiny();
    builder.extra_keys = count;
    check_refused(builder, "metadata_kv_count");
    builder.extra_keys = 0;
    builder.extra_tensors = count;
    check_refused(builder, "tensor_count");
    for (const std::uint32_t type : {0U, 5U, 7U, 8U, 12U}) {
      const auto array = GgufBytes().number(type).number(count);
      check_refused(GgufBuilder().raw("k", GgufBuilder::kArray, array),
                    "more than the file can hold");
    }
    check_refused(GgufBuilder().raw("k", GgufBuilder::kString, GgufBytes().number(count)),
                  "metadata 'k'");
  }
}

BOOST_AUTO_TEST_CASE(arrays_larger_than_any_model_needs_are_refused) {
  constexpr std::uint64_t kCount = (1U << 23) + 1;
  GgufBytes array = GgufBytes().number<std::uint32_t>(0).number(kCount);
  array.append(std::vector<std::byte>(kCount));
  check_refused(GgufBuilder().raw("k", GgufBuilder::kArray, array), "which no known model needs");
}

BOOST_AUTO_TEST_CASE(nested_arrays_undefined_types_and_odd_bools_are_refused) {
  const auto nested = GgufBytes().number<std::uint32_t>(9).number<std::uint64_t>(1);
  check_refused(GgufBuilder().raw("k", GgufBuilder::kArray, nested), "array of arrays");
  check_refused(GgufBuilder().raw("k", 13, GgufBytes().number(1)), "value type 13");
  const auto array = GgufBytes().number<std::uint32_t>(99).number<std::uint64_t>(0);
  check_refused(GgufBuilder().raw("k", GgufBuilder::kArray, array), "value type 99");
  check_refused(GgufBuilder().raw("k", GgufBuilder::kBool, GgufBytes().number<std::uint8_t>(2)),
                "neither 0 nor 1");
}

BOOST_AUTO_TEST_CASE(duplicate_and_empty_names_are_refused) {
  check_refused(tiny().uint32("count", 8), "metadata 'count' occurs twice");
  check_refused(tiny().tensor_f32("a", {4}, kFour), "tensor 'a' occurs twice");
  check_refused(tiny().uint32("", 8), "is empty");
  check_refused(tiny().tensor_f32("", {4}, kFour), "is empty");
}

BOOST_AUTO_TEST_CASE(alignments_that_are_no_power_of_two_are_refused) {
  for (const std::uint32_t alignment : {0U, 1U, 4U, 33U, 96U, 1U << 20}) {
    check_refused(GgufBuilder().uint32("general.alignment", alignment), "general.alignment");
  }
  check_refused(GgufBuilder().string("general.alignment", "32"), "general.alignment");
}

BOOST_AUTO_TEST_CASE(tensors_whose_shape_or_place_is_impossible_are_refused) {
  constexpr std::uint64_t kHuge = std::uint64_t{1} << 40;
  check_tensor_refused({}, TensorType::kF32, 0, "0 dimensions");
  check_tensor_refused({1, 1, 1, 1, 1}, TensorType::kF32, 0, "5 dimensions");
  check_tensor_refused({0}, TensorType::kF32, 0, "dimension of 0");
  check_tensor_refused({kHuge + 1}, TensorType::kF32, 0, "dimension of");
  check_tensor_refused({1, kHuge, kHuge}, TensorType::kF32, 0, "more values than any file");
  check_tensor_refused({kHuge, kHuge}, TensorType::kF32, 0, "more values than any file");
  check_tensor_refused(
      {kHuge, kHuge, kHuge, kHuge}, TensorType{4242}, 0, "more values than any file");
  check_tensor_refused({33}, TensorType::kQ4_0, 0, "cannot store in blocks of 32");
  check_tensor_refused({5}, TensorType::kF32, 0, "lies beyond the end");
  check_tensor_refused({4}, TensorType::kF32, 32, "lies beyond the end");
  check_tensor_refused({4}, TensorType::kF32, 4, "not a multiple of the alignment 32");
  check_tensor_refused({4}, TensorType::kF32, std::uint64_t{0} - 32, "lies beyond the end");
  check_tensor_refused({32}, TensorType{23}, 1U << 20, "lies beyond the end");
}

BOOST_AUTO_TEST_CASE(names_from_the_file_cannot_forge_lines_in_a_message) {
  const std::string name = "x\n\x1b[31mERROR" + std::string(500, 'y');
  check_refused(tiny().uint32(name, 1).uint32(name, 2), "'x??[31mERROR");
}

BOOST_AUTO_TEST_CASE(a_file_cut_off_at_any_byte_is_refused) {
  const auto whole = tiny().build();
  BOOST_TEST(refusal(whole).empty());
  for (std::size_t size = 0; size < whole.size(); ++size) {
    // A buffer of exactly this size, so that a sanitizer sees any read beyond it.
    const std::vector<std::byte> cut(whole.begin(),
                                     whole.begin() + static_cast<std::ptrdiff_t>(size));
    BOOST_REQUIRE_MESSAGE(!refusal(cut).empty(),
                          "accepted " << size << " bytes of " << whole.size());
  }
}

BOOST_AUTO_TEST_CASE(a_file_with_any_one_byte_changed_is_read_or_refused_and_nothing_else) {
  const auto whole = tiny().build();
  std::size_t refused = 0;
  for (std::size_t at = 0; at < whole.size(); ++at) {
    for (const unsigned flip : {0x01U, 0x80U, 0xFFU}) {
      auto changed = whole;
      changed[at] ^= static_cast<std::byte>(flip);
      if (!refusal(changed).empty()) ++refused;
    }
  }
  BOOST_TEST(refused > 100U);
}

BOOST_AUTO_TEST_CASE(paths_that_are_no_model_file_are_refused_with_what_to_do) {
  TemporaryPath temporary;
  const std::string name = temporary.path.string();
  const auto open = [&] { ModelFile::open(temporary.path); };
  BOOST_TEST(message_of(open) == name + ": no such file: check the path of the model");
  std::filesystem::create_directory(temporary.path);
  BOOST_TEST(
      message_of(open).starts_with(name + ": is a folder without config.json: give a .gguf"));
  std::filesystem::remove(temporary.path);
  BOOST_REQUIRE(::mkfifo(name.c_str(), 0600) == 0);
  BOOST_TEST(message_of(open) ==
             name + ": is not a regular file: put one there, or give another path");
  std::filesystem::remove(temporary.path);
  std::ofstream(temporary.path).close();
  BOOST_TEST(message_of(open) == name + ": the file is empty: fetch it again");
}

BOOST_AUTO_TEST_CASE(a_mapped_file_outlives_the_directory_entry_and_copies_of_the_object) {
  TemporaryPath temporary;
  tiny().write(temporary.path);
  auto first = std::make_unique<ModelFile>(ModelFile::open(temporary.path));
  const ModelFile second = *first;
  first.reset();
  std::filesystem::remove(temporary.path);
  BOOST_TEST(second.name() == temporary.path.string());
  BOOST_TEST(std::memcmp(second.tensor("a").data.data(), kFour.data(), 16) == 0);
}

BOOST_AUTO_TEST_CASE(real_models_open_and_every_tensor_is_of_a_supported_type) {
  for (const char* name : {tests::kSmolLm2, tests::kQwenCoder}) {
    const ModelFile file = ModelFile::open(tests::model_file(name));
    std::uint64_t bytes = 0;
    for (const model::TensorInfo& tensor : file.tensors())
      bytes += file.tensor(tensor.name).data.size();
    BOOST_TEST(bytes > file.size_bytes() * 9 / 10);
    BOOST_TEST(bytes < file.size_bytes());
  }
}
