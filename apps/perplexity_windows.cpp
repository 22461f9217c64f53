#include "apps/perplexity_windows.hpp"

#include <algorithm>

namespace troupe::apps {

std::vector<std::vector<std::int32_t>> perplexity_windows(std::span<const std::int32_t> tokens,
                                                          std::size_t context,
                                                          std::int32_t bos) {
  const std::size_t size = std::min(context, tokens.size());
  std::vector<std::vector<std::int32_t>> windows;
  if (size < kWindowTokensMin) return windows;
  for (std::size_t begin = 0; begin + size <= tokens.size(); begin += size) {
    const auto window = tokens.subspan(begin, size);
    windows.emplace_back(window.begin(), window.end());
    if (bos >= 0) windows.back().front() = bos;
  }
  return windows;
}

std::size_t first_scored(std::size_t window_tokens) { return window_tokens / 2 + 1; }

}  // namespace troupe::apps
