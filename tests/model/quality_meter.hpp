// Measures how far the modes of a model lie from its FP32 on the text of tests/model/data/quality.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "kernels/kv_pool.hpp"
#include "model/precision.hpp"

namespace troupe::tests {

struct Mode {
  model::Precision precision = model::Precision::kDefault;
  kernels::KvType kv = kernels::KvType::kBf16;
};

// Over some positions.
struct Distance {
  std::size_t positions = 0;
  double divergence = 0;  // KL(FP32 ‖ mode) over the whole vocabulary, nats; mean
  double same_top = 0;    // share of positions whose most likely token is that of FP32
};

struct KindDistance {
  std::string kind;  // of text: the file's name without .txt
  Distance distance;
};

struct ModeDistance {
  Distance whole;
  std::vector<KindDistance> kinds;
};

// Runs FP32 once and every mode beside it, in sequences of up to 512 tokens of one kind of text.
// The environment variable TROUPE_GATE_TOKENS says about how many positions of the more than 10,000
// are taken, in whole sequences and evenly from all kinds; 3,072 without it.
std::vector<ModeDistance> measure_modes(const std::string& model_name,
                                        const std::vector<Mode>& modes);

}  // namespace troupe::tests
