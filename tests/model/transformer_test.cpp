#include "model/transformer.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "config/user_error.hpp"
#include "tests/kernels/backends.hpp"
#include "tests/model/tiny_engine.hpp"

namespace troupe::model {
namespace {

std::string error_of(const tests::TinyModel& model) {
  const auto device = kernels::make_cpu_device(1);
  try {
    Engine engine(model, *device);
  } catch (const config::UserError& error) {
    return error.what();
  }
  return "";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(transformer)

BOOST_AUTO_TEST_CASE(logits_are_finite_and_differ_from_position_to_position) {
  for (const auto& device : kernels::all_cpu_devices(1)) {
    Engine engine(kFamilies[0], *device);
    const Sequence sequence = alone(engine, random_tokens(20, 1), 20);
    BOOST_TEST(std::all_of(
        sequence.logits.begin(), sequence.logits.end(), [](float x) { return std::isfinite(x); }));
    BOOST_TEST(!std::equal(
        sequence.logits.begin(), sequence.logits.begin() + 67, sequence.logits.begin() + 67));
  }
}

void check_chunking(Engine& engine, const std::vector<std::int32_t>& tokens) {
  const Sequence whole = alone(engine, tokens, 64);
  for (const std::size_t chunk : {std::size_t{1}, std::size_t{7}, std::size_t{33}}) {
    BOOST_TEST(same_bits(alone(engine, tokens, chunk).logits, whole.logits));
  }
}

BOOST_AUTO_TEST_CASE(chunking_does_not_change_a_bit) {
  for (const auto& device : kernels::all_cpu_devices(2)) {
    for (const tests::TinyModel& family : kFamilies) {
      for (const Mode& mode : kModes) {
        Engine engine(family, *device, mode);
        check_chunking(engine, random_tokens(device->backend() == "scalar" ? 40 : 300, 2));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(threads_do_not_change_a_bit) {
  const auto one = kernels::all_cpu_devices(1);
  const auto three = kernels::all_cpu_devices(3);
  for (std::size_t i = 0; i < one.size(); ++i) {
    for (const Mode& mode : kModes) {
      Engine a(kFamilies[1], *one[i], mode);
      Engine b(kFamilies[1], *three[i], mode);
      const auto tokens = random_tokens(50, 3);
      BOOST_TEST(same_bits(alone(a, tokens, 50).logits, alone(b, tokens, 50).logits));
    }
  }
}

BOOST_AUTO_TEST_CASE(any_schedule_of_any_company_gives_each_sequence_its_own_bits) {
  for (const auto& device : kernels::all_cpu_devices(2)) {
    const std::size_t length_max = device->backend() == "scalar" ? 30 : 280;
    Engine plain(kFamilies[0], *device);
    Engine int8(kFamilies[0], *device, kInt8);
    Engine exact(kFamilies[0], *device, kExact);
    Engine grouped(kFamilies[0], *device, kQ4);
    Engine* const engines[] = {&plain, &int8, &grouped, &exact};
    for (std::uint32_t seed = 0; seed < 8; ++seed) {
      Engine& engine = *engines[seed % 4];
      std::mt19937 bits(seed);
      std::vector<std::int32_t> free_blocks(kBlocks);
      for (std::int32_t i = 0; i < kBlocks; ++i) free_blocks[static_cast<std::size_t>(i)] = i;
      std::shuffle(free_blocks.begin(), free_blocks.end(), bits);
      std::vector<Sequence> sequences(4);
      for (Sequence& sequence : sequences) {
        sequence.tokens =
            random_tokens(1 + bits() % length_max, static_cast<std::uint32_t>(bits()));
        const auto blocks =
            static_cast<std::size_t>(blocks_for(static_cast<std::int32_t>(sequence.tokens.size())));
        sequence.blocks.assign(free_blocks.end() - static_cast<std::ptrdiff_t>(blocks),
                               free_blocks.end());
        free_blocks.resize(free_blocks.size() - blocks);
      }
      for (bool busy = true; busy;) {
        std::vector<std::pair<Sequence*, std::size_t>> parts;
        std::size_t room = kTokensMax;
        busy = false;
        for (Sequence& sequence : sequences) {
          busy = busy || sequence.left() > 0;
          const std::size_t most = std::min(room, sequence.left());
          if (most == 0 || bits() % 3 == 0) continue;
          const std::size_t count = bits() % 2 == 0 ? 1 : 1 + bits() % most;
          parts.emplace_back(&sequence, count);
          room -= count;
        }
        std::shuffle(parts.begin(), parts.end(), bits);
        if (!parts.empty()) step(engine, parts);
      }
      for (const Sequence& sequence : sequences) {
        BOOST_TEST(same_bits(alone(engine, sequence.tokens, 64).logits, sequence.logits));
      }
    }
  }
}

BOOST_AUTO_TEST_CASE(backends_agree_within_rounding) {
  const auto devices = kernels::all_cpu_devices(1);
  const auto tokens = random_tokens(40, 6);
  Engine scalar(kFamilies[1], *devices.back());
  const Sequence expected = alone(scalar, tokens, 40);
  float largest = 0;
  for (const float logit : expected.logits) largest = std::max(largest, std::abs(logit));
  for (const auto& device : devices) {
    Engine engine(kFamilies[1], *device);
    const Sequence found = alone(engine, tokens, 40);
    float error = 0;
    for (std::size_t i = 0; i < found.logits.size(); ++i) {
      error = std::max(error, std::abs(found.logits[i] - expected.logits[i]));
    }
    BOOST_TEST(
        error <
        1e-3F *
            largest);  // two random layers multiply rounding errors of 2^-24 a thousandfold at most
  }
}

// With attention in FP32 they share its kernels and those of norms, and int8 layers have the same
// bits everywhere.
BOOST_AUTO_TEST_CASE(int8_has_the_same_bits_with_and_without_the_tile_unit_and_bf16_vectors) {
  const auto devices = kernels::all_cpu_devices(2);
  const auto plain = std::find_if(devices.begin(), devices.end(), [](const auto& device) {
    return device->backend() == "avx512";
  });
  if (plain == devices.begin() || plain == devices.end()) {
    BOOST_TEST_MESSAGE("this machine has one such backend or none: nothing to compare");
    return;
  }
  constexpr Mode kMode{Precision::kDefault, kernels::KvType::kF32};
  for (const tests::TinyModel& family : kFamilies) {
    Engine vectors(family, **plain, kMode);
    const auto tokens = random_tokens(130, 7);
    const Sequence expected = alone(vectors, tokens, 3);
    for (auto other = devices.begin(); other != plain; ++other) {
      Engine special(family, **other, kMode);
      BOOST_TEST(same_bits(alone(special, tokens, 64).logits, expected.logits));
    }
  }
}

// How far the precision's logits are from FP32's, as a share of their size.
double distance_to_fp32(const tests::TinyModel& family, kernels::Device& device, Mode mode) {
  Engine plain(family, device);
  Engine rounded(family, device, mode);
  const auto tokens = random_tokens(40, 8);
  const Sequence expected = alone(plain, tokens, 40);
  const Sequence found = alone(rounded, tokens, 40);
  double error = 0;
  double size = 0;
  for (std::size_t i = 0; i < found.logits.size(); ++i) {
    const auto a = static_cast<double>(expected.logits[i]);
    error += std::pow(static_cast<double>(found.logits[i]) - a, 2);
    size += a * a;
  }
  return std::sqrt(error / size);
}

// A layer's rounding is about 1 % of its output; two random layers pile up some of it.
BOOST_AUTO_TEST_CASE(int8_is_close_to_fp32_and_not_the_same) {
  const auto device = kernels::make_cpu_device(2);
  for (const tests::TinyModel& family : kFamilies) {
    const double distance = distance_to_fp32(family, *device, kInt8);
    BOOST_TEST(distance < 0.1);
    BOOST_TEST(distance > 0);
  }
}

BOOST_AUTO_TEST_CASE(q4_is_close_to_fp32_and_not_the_same) {
  const auto device = kernels::make_cpu_device(2);
  for (const tests::TinyModel& family : kFamilies) {
    const double distance = distance_to_fp32(family, *device, kQ4);
    BOOST_TEST(distance < 0.1);
    BOOST_TEST(distance > 0);
  }
}

// BF16 rounds to 2^-9 of each operand, a fifth of what int8 does to a row.
BOOST_AUTO_TEST_CASE(exact_is_closer_to_fp32_than_int8_and_not_the_same) {
  const auto device = kernels::make_cpu_device(2);
  for (const tests::TinyModel& family : kFamilies) {
    const double distance = distance_to_fp32(family, *device, kExact);
    BOOST_TEST(distance < 0.03);
    BOOST_TEST(distance > 0);
  }
}

BOOST_AUTO_TEST_CASE(numerics_id_names_the_precision) {
  const auto device = kernels::make_cpu_device(1);
  Engine plain(kFamilies[0], *device);
  Engine int8(kFamilies[0], *device, kInt8);
  BOOST_TEST(plain.transformer.numerics_id() != int8.transformer.numerics_id());
  BOOST_TEST(int8.transformer.numerics_id().ends_with("-int8-kvbf16"));
  Engine grouped(kFamilies[0], *device, kQ4);
  BOOST_TEST(grouped.transformer.numerics_id().ends_with("-q4-kvbf16"));
  Engine exact(kFamilies[0], *device, kExact);
  const char* mode = device->prefers_bf16() ? "-exact-kvbf16" : "-fp32-kvbf16";
  BOOST_TEST(exact.transformer.numerics_id().ends_with(mode));
}

BOOST_AUTO_TEST_CASE(numerics_id_names_weights_and_backend) {
  const auto devices = kernels::all_cpu_devices(1);
  std::vector<std::string> ids;
  for (const auto& device : devices) {
    Engine engine(kFamilies[0], *device);
    Engine again(kFamilies[0], *device);
    Engine other(kFamilies[1], *device);
    BOOST_TEST(engine.transformer.numerics_id() == again.transformer.numerics_id());
    BOOST_TEST(engine.transformer.numerics_id() != other.transformer.numerics_id());
    ids.push_back(engine.transformer.numerics_id());
  }
  BOOST_TEST((std::adjacent_find(ids.begin(), ids.end()) == ids.end()));
}

BOOST_AUTO_TEST_CASE(a_missing_or_misshapen_tensor_is_named) {
  const std::string missing = error_of({.leave_out = "blk.1.ffn_up.weight"});
  BOOST_TEST(missing.find("tiny.gguf") != std::string::npos);
  BOOST_TEST(missing.find("blk.1.ffn_up.weight") != std::string::npos);
  const std::string narrow = error_of({.narrow = "blk.0.attn_k.weight"});
  BOOST_TEST(narrow.find("blk.0.attn_k.weight") != std::string::npos);
  BOOST_TEST(narrow.find("[256, 127]") != std::string::npos);
  BOOST_TEST(narrow.find("[256, 128]") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(a_tensor_that_the_forward_pass_would_leave_out_is_refused) {
  const std::string norm = error_of({.more_vector = "attn_k_norm.weight"});
  BOOST_TEST(norm ==
             "tiny.gguf: tensor 'blk.0.attn_k_norm.weight' is not supported in a llama "
             "model: give a model without it");
  const std::string bias = error_of({.family = "qwen3", .more_vector = "ffn_up.bias"});
  BOOST_TEST(bias.find("'blk.0.ffn_up.bias' is not supported in a qwen3") != std::string::npos);
  const std::string missing =
      error_of({.family = "qwen3", .leave_out = "blk.1.attn_q_norm.weight"});
  BOOST_TEST(missing.find("blk.1.attn_q_norm.weight") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace troupe::model
