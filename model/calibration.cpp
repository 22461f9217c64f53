#include "model/calibration.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "model/kv_cache.hpp"
#include "model/model_file.hpp"
#include "model/tokenizer.hpp"
#include "model/transformer.hpp"

namespace troupe::model {
namespace {

constexpr std::int32_t kStepTokens = 128;
// Texts of this length, so that what models do at the start of one is seen several times.
constexpr std::int32_t kSequenceTokens = 512;

std::vector<std::int32_t> calibration_tokens(const ModelFile& file, std::int32_t vocab) {
  if (file.find_strings("tokenizer.ggml.tokens") != nullptr) {
    constexpr std::size_t kMost = 2560;  // a vocabulary of single bytes would make many more
    auto tokens = Tokenizer(file).encode(kCalibrationText, SpecialTokens::kAsText);
    tokens.resize(std::min(tokens.size(), kMost));
    return tokens;
  }
  constexpr std::size_t kCount = 64;
  std::vector<std::int32_t> tokens(kCount);
  for (std::size_t i = 0; i < kCount; ++i)
    tokens[i] = static_cast<std::int32_t>(i * 7919 % static_cast<std::size_t>(vocab));
  return tokens;
}

class PeakMeter {
 public:
  PeakMeter(kernels::Device& device, std::int32_t layers)
      : device_(device), peaks_(static_cast<std::size_t>(layers * kInputsPerLayer) + 1) {}

  // x: [rows, k] on the device.
  void add(std::int32_t site, const float* x, std::int32_t rows, std::int32_t k) {
    const auto width = static_cast<std::size_t>(k);
    values_.resize(width * static_cast<std::size_t>(rows));
    device_.copy_to_host(values_.data(), x, values_.size() * sizeof(float));
    std::vector<float>& peak = peaks_[static_cast<std::size_t>(site)];
    peak.resize(width);
    for (std::size_t i = 0; i < values_.size(); i += width) {
      for (std::size_t j = 0; j < width; ++j) peak[j] = std::max(peak[j], std::abs(values_[i + j]));
    }
  }

  Peaks take() { return std::move(peaks_); }

 private:
  kernels::Device& device_;
  Peaks peaks_;
  std::vector<float> values_;
};

}  // namespace

Peaks measure_peaks(const ModelFile& file,
                    kernels::Device& device,
                    const std::function<void(const std::string&)>& progress) {
  const Architecture a = read_architecture(file);
  PeakMeter meter(device, a.layers);
  Transformer transformer(
      file,
      device,
      kStepTokens,
      {.precision = Precision::kFp32},
      [&](std::int32_t site, const float* x, std::int32_t rows, std::int32_t k) {
        meter.add(site, x, rows, k);
      });
  const std::vector<std::int32_t> tokens = calibration_tokens(file, a.vocab);
  const std::int32_t length = std::min(kSequenceTokens, a.context_max);
  std::vector<std::int32_t> blocks(static_cast<std::size_t>(blocks_for(length)));
  std::iota(blocks.begin(), blocks.end(), 0);
  KvCache cache(device, a, blocks_for(length), kernels::KvType::kF32);
  const auto total = static_cast<std::int32_t>(tokens.size());
  for (std::int32_t begin = 0; begin < total;) {
    if (progress && begin % kSequenceTokens == 0)
      progress("first use of this model: calibrating, token " + std::to_string(begin) + " of " +
               std::to_string(total));
    const std::int32_t position = begin % length;
    const std::int32_t count = std::min({kStepTokens, total - begin, length - position});
    const SequenceSlice slice{
        std::span(tokens).subspan(static_cast<std::size_t>(begin), static_cast<std::size_t>(count)),
        position,
        blocks,
        count};
    transformer.forward({&slice, 1}, cache, {});
    file.let_go();
    begin += count;
  }
  return meter.take();
}

}  // namespace troupe::model
