// Normalisation, gate and exponential, written once for every vector width. Included by ISA files
// only, after a
// *_vector.hpp.
#pragma once

namespace {

// e^x. x = n·ln 2 + r with |r| ≤ ln 2 / 2; e^r by its Taylor series to r⁷, whose first omitted term
// is below 6e-9; then times 2^n. ln 2 is subtracted in two parts (Cody and Waite) of which the
// first times n is exact. Below -87 the result is 0 or nearly so, above 88 it stays at e^88;
// not-a-number stays what it is.
inline Vec exponential(Vec x) {
  x = min(broadcast(88.0F), max(broadcast(-87.0F), x));
  const Vec n = round_to_int(mul(x, broadcast(1.44269504F)));
  Vec r = fma(n, broadcast(-0.693359375F), x);
  r = fma(n, broadcast(2.12194440e-4F), r);
  Vec p = broadcast(1.0F / 5040.0F);
  p = fma(p, r, broadcast(1.0F / 720.0F));
  p = fma(p, r, broadcast(1.0F / 120.0F));
  p = fma(p, r, broadcast(1.0F / 24.0F));
  p = fma(p, r, broadcast(1.0F / 6.0F));
  p = fma(p, r, broadcast(0.5F));
  p = fma(p, r, broadcast(1.0F));
  p = fma(p, r, broadcast(1.0F));
  return mul(p, power_of_two(n));
}

// What RMS normalisation multiplies every value of a row by. Four running sums: one would wait for
// itself.
inline Vec norm_factor(const float* x, std::int32_t k, float epsilon) {
  Vec squares[4] = {zero(), zero(), zero(), zero()};
  const std::int32_t whole = k / kLanes * kLanes;
  std::int32_t i = 0;
  for (; i + 4 * kLanes <= whole; i += 4 * kLanes) {
#pragma GCC unroll 4
    for (int j = 0; j < 4; ++j) {
      const Vec v = load(x + i + j * kLanes);
      squares[j] = fma(v, v, squares[j]);
    }
  }
  for (; i < whole; i += kLanes) squares[0] = fma(load(x + i), load(x + i), squares[0]);
  if (k != whole) {
    const Vec rest = load_first(x + whole, k - whole);
    squares[1] = fma(rest, rest, squares[1]);
  }
  const Vec sum = add(add(squares[0], squares[1]), add(squares[2], squares[3]));
  const float mean = sum_lanes(sum) / static_cast<float>(k);
  return broadcast(1.0F / __builtin_sqrtf(mean + epsilon));
}

inline void rms_norm_row(const RmsNorm& op, std::int32_t row) {
  const float* x = op.x + static_cast<std::ptrdiff_t>(row) * op.k;
  float* y = op.y + static_cast<std::ptrdiff_t>(row) * op.k;
  const std::int32_t whole = op.k / kLanes * kLanes;
  const int rest = op.k - whole;
  const Vec scale = norm_factor(x, op.k, op.epsilon);
  for (std::int32_t i = 0; i < whole; i += kLanes)
    store(y + i, mul(mul(load(x + i), scale), load(op.weight + i)));
  if (rest == 0) return;
  const Vec last =
      mul(mul(load_first(x + whole, rest), scale), load_first(op.weight + whole, rest));
  store_first(y + whole, last, rest);
}

inline Vec gated(Vec gate, Vec up) {
  const Vec one = broadcast(1.0F);
  return mul(div(gate, add(one, exponential(sub(zero(), gate)))), up);
}

inline void silu_mul_range(const SiluMul& op, std::int64_t begin, std::int64_t end) {
  std::int64_t i = begin;
  for (; i + kLanes <= end; i += kLanes)
    store(op.out + i, gated(load(op.gate + i), load(op.up + i)));
  const int rest = static_cast<int>(end - i);
  if (rest != 0)
    store_first(
        op.out + i, gated(load_first(op.gate + i, rest), load_first(op.up + i, rest)), rest);
}

}  // namespace
