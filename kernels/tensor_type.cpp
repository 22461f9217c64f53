#include "kernels/tensor_type.hpp"

namespace troupe::kernels {
namespace {

struct TypeRow {
  std::uint32_t number;
  std::string_view name;
  BlockShape shape;  // {0, 0}: known by name only, so that an error can say which type it met
};

constexpr TypeRow kTypes[] = {
    {0, "F32", {1, 4}},
    {1, "F16", {1, 2}},
    {2, "Q4_0", {32, 2 + 16}},          // f16 scale, 32 nibbles
    {3, "Q4_1", {32, 2 + 2 + 16}},      // f16 scale and minimum, 32 nibbles
    {6, "Q5_0", {32, 2 + 4 + 16}},      // f16 scale, 32 fifth bits, 32 nibbles
    {7, "Q5_1", {32, 2 + 2 + 4 + 16}},  // f16 scale and minimum, 32 fifth bits, 32 nibbles
    {8, "Q8_0", {32, 2 + 32}},          // f16 scale, 32 bytes
    {10, "Q2_K", {256, 16 + 64 + 4}},   // 16 four-bit pairs, 256 bit pairs, f16 scale, minimum
    {11,
     "Q3_K",
     {256, 32 + 64 + 12 + 2}},          // 256 third bits, bit pairs, 16 six-bit scales, f16 scale
    {12, "Q4_K", {256, 4 + 12 + 128}},  // f16 scale and minimum, 8 six-bit pairs, 256 nibbles
    {13, "Q5_K", {256, 4 + 12 + 32 + 128}},  // the same, and 256 fifth bits
    {14, "Q6_K", {256, 128 + 64 + 16 + 2}},  // 256 nibbles, 256 bit pairs, 16 scales, f16 scale
    {20, "IQ4_NL", {32, 2 + 16}},            // f16 scale, 32 nibbles that choose from a table
    {30, "BF16", {1, 2}},
    {9, "Q8_1", {}},
    {15, "Q8_K", {}},
    {16, "IQ2_XXS", {}},
    {17, "IQ2_XS", {}},
    {18, "IQ3_XXS", {}},
    {19, "IQ1_S", {}},
    {21, "IQ3_S", {}},
    {22, "IQ2_S", {}},
    {23, "IQ4_XS", {}},
    {24, "I8", {}},
    {25, "I16", {}},
    {26, "I32", {}},
    {27, "I64", {}},
    {28, "F64", {}},
    {29, "IQ1_M", {}},
    {34, "TQ1_0", {}},
    {35, "TQ2_0", {}},
    {39, "MXFP4", {}},
};

constexpr const TypeRow* find_row(TensorType type) {
  for (const TypeRow& row : kTypes) {
    if (row.number == static_cast<std::uint32_t>(type)) return &row;
  }
  return nullptr;
}

}  // namespace

BlockShape block_shape(TensorType type) {
  const TypeRow* row = find_row(type);
  return row == nullptr ? BlockShape{} : row->shape;
}

std::string_view type_name(TensorType type) {
  const TypeRow* row = find_row(type);
  return row == nullptr ? std::string_view("unknown") : row->name;
}

}  // namespace troupe::kernels
