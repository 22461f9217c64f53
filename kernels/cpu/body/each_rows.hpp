// Walks rows several at a time, so many that their sums fill registers. Included by ISA files only.
#pragma once

namespace {

template <int Rows, typename Visit>
inline void rows_at_once(std::int32_t count, std::int32_t row, const Visit& visit) {
  if constexpr (Rows > 0) {
    if (count == Rows) return visit.template rows<Rows>(row);
    rows_at_once<Rows - 1>(count, row, visit);
  }
}

// Calls visit.rows<Rows>(row) for rows 0 to count - 1, at most Most of them at a time and always
// about as many: a few at the end would not fill registers.
template <int Most, typename Visit>
inline void each_rows(std::int32_t count, const Visit& visit) {
  std::int32_t row = 0;
  for (std::int32_t groups = (count + Most - 1) / Most; groups > 0; --groups) {
    const std::int32_t rows = (count - row + groups - 1) / groups;
    rows_at_once<Most>(rows, row, visit);
    row += rows;
  }
}

}  // namespace
