// Walks rows several at a time, so many that their sums fill registers. Included by ISA files only.
#pragma once

namespace {

template <int Rows, typename Visit>
inline void last_rows(std::int32_t left, std::int32_t row, const Visit& visit) {
  if constexpr (Rows > 0) {
    if (left == Rows) return visit.template rows<Rows>(row);
    last_rows<Rows - 1>(left, row, visit);
  }
}

// Calls visit.rows<Rows>(row) for rows 0 to count - 1: Most of them at a time, then the rest.
template <int Most, typename Visit>
inline void each_rows(std::int32_t count, const Visit& visit) {
  std::int32_t row = 0;
  for (; count - row >= Most; row += Most) visit.template rows<Most>(row);
  last_rows<Most - 1>(count - row, row, visit);
}

}  // namespace
