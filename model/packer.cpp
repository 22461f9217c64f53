#include "model/packer.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <initializer_list>

#include "kernels/reference/reference.hpp"

namespace troupe::model {
namespace {

using Factors = std::vector<float>;

std::size_t index(std::int32_t i) { return static_cast<std::size_t>(i); }

void raise(Factors& peaks, std::size_t at, float value) {
  peaks[at] = std::max(peaks[at], std::abs(value));
}

// Which columns of a packed matrix the rows of one of the file become.
enum class Place { kAll, kGate, kUp };

std::int32_t column_of(Place place, std::int32_t row) {
  if (place == Place::kAll) return row;
  return row / 16 * kernels::kInt8Columns + row % 16 + (place == Place::kUp ? 16 : 0);
}

class Packer {
 public:
  Packer(const Architecture& architecture, kernels::Device& device, std::span<std::byte> payload)
      : a_(architecture), device_(device), payload_(payload) {}

  void layer(const LayerWeights& w, const Peaks& peaks, std::int32_t number, const PackedLayer& to);
  void head(const Weights& weights, const Factors& peak, const PackedLayout& to);

 private:
  Factors column_peaks(std::initializer_list<const Matrix*> matrices);
  Factors across_heads(const Factors& of_heads) const;
  void pack(const Matrix& from,
            const Factors& columns,
            const Factors* rows,
            const PackedMatrix& to,
            Place place = Place::kAll);
  void pack_row(const Matrix& from,
                std::int32_t number,
                const Factors& columns,
                float divisor,
                const PackedMatrix& to,
                std::int32_t column);
  void divide(const float* from, const Factors& factors, std::size_t to);

  template <typename T>
  T* at(std::size_t offset) {
    return reinterpret_cast<T*>(payload_.data() + offset);
  }

  const Architecture& a_;
  kernels::Device& device_;
  std::span<std::byte> payload_;
};

// s = x^0.6 / w^0.4, over its mean. The exponent was measured: 0.5 diverges a tenth more.
Factors smoothing(const Factors& x, const Factors& w) {
  constexpr float kExponent = 0.6F;
  constexpr float kLeast = 1e-5F;  // a channel that the text never used
  Factors factors(x.size());
  double sum = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    factors[i] = std::pow(std::max(x[i], kLeast), kExponent) /
                 std::pow(std::max(w[i], kLeast), 1.0F - kExponent);
    sum += static_cast<double>(factors[i]);
  }
  const auto mean = static_cast<float>(sum / static_cast<double>(x.size()));
  for (float& factor : factors) factor /= mean;
  return factors;
}

// The largest of the query heads that share a KV head: [heads · d] to [kv_heads · d].
Factors shared_by_group(const Factors& all, const Architecture& a) {
  const std::int32_t group = a.heads / a.kv_heads;
  Factors shared(index(a.kv_heads * a.head_dim));
  for (std::int32_t head = 0; head < a.heads; ++head) {
    for (std::int32_t d = 0; d < a.head_dim; ++d)
      raise(shared, index(head / group * a.head_dim + d), all[index(head * a.head_dim + d)]);
  }
  return shared;
}

// [kv_heads · d] to [heads · d].
Factors Packer::across_heads(const Factors& of_heads) const {
  const std::int32_t group = a_.heads / a_.kv_heads;
  Factors all(index(a_.heads * a_.head_dim));
  for (std::int32_t head = 0; head < a_.heads; ++head) {
    for (std::int32_t d = 0; d < a_.head_dim; ++d)
      all[index(head * a_.head_dim + d)] = of_heads[index(head / group * a_.head_dim + d)];
  }
  return all;
}

// The largest |w| of each column over all rows of the matrices.
Factors Packer::column_peaks(std::initializer_list<const Matrix*> matrices) {
  constexpr std::int32_t kRows = 64;
  const std::int32_t columns = (*matrices.begin())->columns;
  std::vector<Factors> of_threads(index(device_.threads()), Factors(index(columns)));
  for (const Matrix* matrix : matrices) {
    const std::size_t bytes = kernels::row_bytes(matrix->type, columns);
    const std::int32_t tiles = (matrix->rows + kRows - 1) / kRows;
    device_.parallel_for(static_cast<std::uint32_t>(tiles), [&](std::uint32_t tile, int thread) {
      Factors row(index(columns));
      const std::int32_t begin = static_cast<std::int32_t>(tile) * kRows;
      for (std::int32_t r = begin; r < std::min(matrix->rows, begin + kRows); ++r) {
        kernels::reference::expand_row(
            matrix->type, matrix->data + index(r) * bytes, columns, row.data());
        for (std::size_t i = 0; i < row.size(); ++i) raise(of_threads[index(thread)], i, row[i]);
      }
    });
  }
  for (const Factors& other : of_threads) {
    for (std::size_t i = 0; i < other.size(); ++i) raise(of_threads[0], i, other[i]);
  }
  return of_threads[0];
}

// Rows of the file are multiplied by `columns` and, where given, divided by `rows`.
void Packer::pack(const Matrix& from,
                  const Factors& columns,
                  const Factors* rows,
                  const PackedMatrix& to,
                  Place place) {
  constexpr std::int32_t kRows = 32;
  const std::int32_t tiles = (from.rows + kRows - 1) / kRows;
  device_.parallel_for(static_cast<std::uint32_t>(tiles), [&](std::uint32_t tile, int) {
    const std::int32_t begin = static_cast<std::int32_t>(tile) * kRows;
    for (std::int32_t j = begin; j < std::min(from.rows, begin + kRows); ++j) {
      const float divisor = rows != nullptr ? (*rows)[index(j)] : 1.0F;
      pack_row(from, j, columns, divisor, to, column_of(place, j));
    }
  });
}

void Packer::pack_row(const Matrix& from,
                      std::int32_t number,
                      const Factors& columns,
                      float divisor,
                      const PackedMatrix& to,
                      std::int32_t column) {
  const std::int32_t padded = kernels::int8_padded_k(to.k);
  const std::size_t bytes = kernels::row_bytes(from.type, to.k);
  Factors row(index(padded));
  std::vector<std::int8_t> rounded(index(padded));
  kernels::reference::expand_row(from.type, from.data + index(number) * bytes, to.k, row.data());
  for (std::size_t i = 0; i < columns.size(); ++i) row[i] = row[i] * columns[i] / divisor;
  kernels::reference::rotate(row.data(), padded);
  at<float>(to.scales)[column] =
      kernels::reference::quantize_row(row.data(), padded, rounded.data());
  std::int32_t sum = 0;
  auto* tiles = at<std::int8_t>(to.tiles);
  for (std::int32_t i = 0; i < padded; i += 4) {
    std::memcpy(tiles + kernels::int8_index(padded, column, i), &rounded[index(i)], 4);
    for (std::int32_t b = 0; b < 4; ++b) sum += rounded[index(i + b)];
  }
  at<std::int32_t>(to.sums)[column] = 128 * sum;
}

void Packer::divide(const float* from, const Factors& factors, std::size_t to) {
  Factors values(factors.size());
  device_.copy_to_host(values.data(), from, values.size() * sizeof(float));
  for (std::size_t i = 0; i < values.size(); ++i) at<float>(to)[i] = values[i] / factors[i];
}

void Packer::layer(const LayerWeights& w,
                   const Peaks& peaks,
                   std::int32_t number,
                   const PackedLayer& to) {
  const auto peak = [&](Input input) -> const Factors& {
    return peaks[index(input_site(number, input))];
  };
  const Factors attention =
      smoothing(peak(Input::kAttention), column_peaks({&w.query, &w.key, &w.value}));
  const Factors values = smoothing(shared_by_group(peak(Input::kAttentionOutput), a_),
                                   shared_by_group(column_peaks({&w.attention_output}), a_));
  const Factors feed_forward = smoothing(peak(Input::kFeedForward), column_peaks({&w.gate, &w.up}));
  const Factors down = smoothing(peak(Input::kDown), column_peaks({&w.down}));
  divide(w.attention_norm, attention, to.attention_norm);
  pack(w.query, attention, nullptr, to.query);
  pack(w.key, attention, nullptr, to.key);
  pack(w.value, attention, &values, to.value);
  if (w.value_bias != nullptr) divide(w.value_bias, values, to.value_bias);
  pack(w.attention_output, across_heads(values), nullptr, to.attention_output);
  divide(w.feed_forward_norm, feed_forward, to.feed_forward_norm);
  pack(w.gate, feed_forward, nullptr, to.gate_up, Place::kGate);
  pack(w.up, feed_forward, &down, to.gate_up, Place::kUp);
  pack(w.down, down, nullptr, to.down);
}

void Packer::head(const Weights& weights, const Factors& peak, const PackedLayout& to) {
  const Factors factors = smoothing(peak, column_peaks({&weights.head}));
  divide(weights.output_norm, factors, to.output_norm);
  pack(weights.head, factors, nullptr, to.head);
}

}  // namespace

void pack_weights(const Weights& weights,
                  const Architecture& architecture,
                  const Peaks& peaks,
                  kernels::Device& device,
                  const PackedLayout& layout,
                  std::span<std::byte> payload,
                  const PackingSteps& steps) {
  Packer packer(architecture, device, payload);
  for (std::int32_t i = 0; i < architecture.layers; ++i) {
    constexpr std::int32_t kLayersPerWord = 8;
    if (steps.progress && i % kLayersPerWord == 0)
      steps.progress("packing weights: layer " + std::to_string(i + 1) + " of " +
                     std::to_string(architecture.layers));
    packer.layer(weights.layers[index(i)], peaks, i, layout.layers[index(i)]);
    if (steps.layer_done) steps.layer_done();
  }
  if (steps.progress) steps.progress("packing weights: head");
  packer.head(weights, peaks.back(), layout);
  if (steps.layer_done) steps.layer_done();
}

}  // namespace troupe::model
