// Sequences that walk through the forward pass of a tiny model, in pieces and company of a test's
// choice.
#pragma once

#include <algorithm>
#include <cstring>
#include <random>
#include <span>
#include <utility>
#include <vector>

#include "model/kv_cache.hpp"
#include "model/model_file.hpp"
#include "model/transformer.hpp"
#include "tests/model/tiny_model.hpp"

namespace troupe::model {

inline const tests::TinyModel kFamilies[] = {
    {}, {.family = "qwen2", .tied = false}, {.family = "qwen3"}};

inline constexpr std::int32_t kTokensMax = 64;
inline constexpr std::int32_t kBlocks = 40;

struct Mode {
  Precision precision = Precision::kFp32;
  kernels::KvType kv = kernels::KvType::kF32;
};

inline constexpr Mode kPlain{};
inline constexpr Mode kInt8{Precision::kDefault, kernels::KvType::kBf16};
inline constexpr Mode kQ4{Precision::kQ4, kernels::KvType::kBf16};
inline constexpr Mode kExact{Precision::kExact, kernels::KvType::kBf16};
inline constexpr Mode kModes[] = {
    kPlain, kInt8, {Precision::kDefault, kernels::KvType::kInt8}, kQ4, kExact};

// A model with its file's bytes and a cache.
struct Engine {
  Engine(const tests::TinyModel& model, kernels::Device& device, Mode mode = kPlain)
      : bytes(model.build()),
        file(ModelFile::parse(bytes, "tiny.gguf")),
        transformer(file, device, kTokensMax, {.precision = mode.precision, .kv = mode.kv}),
        cache(device, transformer.architecture(), kBlocks, mode.kv) {}

  std::size_t vocab() const { return static_cast<std::size_t>(transformer.architecture().vocab); }

  std::vector<std::byte> bytes;
  ModelFile file;
  Transformer transformer;
  KvCache cache;
};

inline std::vector<std::int32_t> random_tokens(std::size_t count, std::uint32_t seed) {
  std::mt19937 bits(seed);
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(bits() % 67);
  return tokens;
}

// One sequence on its way through the engine.
struct Sequence {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> blocks;
  std::size_t done = 0;
  std::vector<float> logits;  // [done, vocab]

  std::size_t left() const { return tokens.size() - done; }

  SequenceSlice next(std::size_t count) const {
    return {std::span(tokens).subspan(done, count),
            static_cast<std::int32_t>(done),
            blocks,
            static_cast<std::int32_t>(count)};
  }
};

inline void step(Engine& engine, std::vector<std::pair<Sequence*, std::size_t>> parts) {
  std::vector<SequenceSlice> slices;
  std::size_t rows = 0;
  for (const auto& [sequence, count] : parts) {
    slices.push_back(sequence->next(count));
    rows += count;
  }
  std::vector<float> logits(rows * engine.vocab());
  engine.transformer.forward(slices, engine.cache, logits);
  auto from = logits.begin();
  for (auto& [sequence, count] : parts) {
    const auto to = from + static_cast<std::ptrdiff_t>(count * engine.vocab());
    sequence->logits.insert(sequence->logits.end(), from, to);
    sequence->done += count;
    from = to;
  }
}

inline Sequence alone(Engine& engine, std::vector<std::int32_t> tokens, std::size_t chunk) {
  Sequence sequence{std::move(tokens), {}, 0, {}};
  for (std::int32_t i = 0; i < blocks_for(static_cast<std::int32_t>(sequence.tokens.size())); ++i)
    sequence.blocks.push_back(i);
  while (sequence.left() > 0) step(engine, {{&sequence, std::min(chunk, sequence.left())}});
  return sequence;
}

inline bool same_bits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(float)) == 0;
}

}  // namespace troupe::model
