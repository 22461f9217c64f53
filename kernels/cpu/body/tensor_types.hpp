// The storage types as a *_expand.hpp defines them, chosen by number. Included after one, by ISA
// files only.
#pragma once

namespace {

// The one place that knows all types: calls visit.template on<Type>() for blocks,
// visit.floats(bytes) for plain ones.
template <typename Visitor>
inline auto visit_type(TensorType type, Visitor visitor) {
  switch (type) {
    case TensorType::kQ4_0:
      return visitor.template blocks<Q4_0>();
    case TensorType::kQ4_1:
      return visitor.template blocks<Q4_1>();
    case TensorType::kQ5_0:
      return visitor.template blocks<Q5_0>();
    case TensorType::kQ5_1:
      return visitor.template blocks<Q5_1>();
    case TensorType::kQ8_0:
      return visitor.template blocks<Q8_0>();
    case TensorType::kQ2_K:
      return visitor.template blocks<Q2_K>();
    case TensorType::kQ3_K:
      return visitor.template blocks<Q3_K>();
    case TensorType::kQ4_K:
      return visitor.template blocks<Q4_K>();
    case TensorType::kQ5_K:
      return visitor.template blocks<Q5_K>();
    case TensorType::kQ6_K:
      return visitor.template blocks<Q6_K>();
    case TensorType::kIQ4_NL:
      return visitor.template blocks<IQ4_NL>();
    case TensorType::kF32:
      return visitor.floats(4);
    case TensorType::kF16:
      return visitor.floats(2);
    case TensorType::kBF16:
      return visitor.floats(2);
  }
  __builtin_trap();
}

struct RowBytes {
  std::ptrdiff_t k;

  template <typename Type>
  std::ptrdiff_t blocks() const {
    return k / Type::kValues * Type::kBytes;
  }

  std::ptrdiff_t floats(std::ptrdiff_t bytes) const { return k * bytes; }
};

// Asks for one block. The hardware's own prefetcher loses too much at the ends of rows and pages:
// without this a single row of x ran at half the speed (measured with weights in memory).
template <typename Type>
inline void prefetch(const std::uint8_t* block) {
#pragma GCC unroll 4
  for (int line = 0; line < Type::kBytes; line += 64) __builtin_prefetch(block + line, 0, 2);
}

}  // namespace
