// Which tokens of a text a perplexity is taken over. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace troupe::apps {

// As llama.cpp's `llama-perplexity` does it: the text is cut into windows of `context` tokens that
// do not overlap, each a sequence of its own; the tokens of a window's first half are context
// alone, and those after it are scored. What does not fill a window is left out, except where the
// whole text is shorter than one: then it is the only window. `bos`, unless it is -1, takes the
// place of each window's first token.
// github.com/ggml-org/llama.cpp/blob/master/tools/perplexity/README.md
std::vector<std::vector<std::int32_t>> perplexity_windows(std::span<const std::int32_t> tokens,
                                                          std::size_t context,
                                                          std::int32_t bos);

// The first scored token of a window of so many tokens; all after it are scored too.
std::size_t first_scored(std::size_t window_tokens);

// Fewer tokens leave none to score.
inline constexpr std::size_t kWindowTokensMin = 3;

}  // namespace troupe::apps
