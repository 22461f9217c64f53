// What one template and one rendering may use. A template comes with a model file, its values from
// clients: neither may take the server's time or memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace troupe::jinja {

struct Limits {
  // Evaluated nodes and calls, plus one for each 64 bytes that are made or read through: a bound on
  // time that does not depend on the machine, far beyond what a conversation takes.
  std::uint64_t steps_max = 20'000'000;
  // Of all values made while rendering, whether they still live or not, with their containers and
  // what allocating them takes. The peak stays below this, the text rendered (which may double as
  // it grows) and a few copies of what the client sent.
  std::uint64_t bytes_max = std::uint64_t{512} << 20;
  // Of the text rendered: 16 times the largest request body (config/limits.hpp).
  std::uint64_t output_bytes_max = std::uint64_t{64} << 20;
  // Nested evaluations: each takes a kilobyte or two of a stack of 8 MiB, ten times that under
  // AddressSanitizer.
  std::size_t depth_max = 400;
};

// A source longer than every known template by a factor of sixty.
inline constexpr std::size_t kSourceBytesMax = std::size_t{1} << 20;
// Nodes below one another in the syntax tree: parser, evaluator and destructor recurse along them.
inline constexpr std::size_t kSyntaxDepthMax = 150;
// Containers within containers: comparing, printing and destroying recurse along them.
inline constexpr std::size_t kValueDepthMax = 100;
// As the sandbox of jinja2 bounds it (MAX_RANGE).
inline constexpr std::size_t kRangeItemsMax = 100'000;

// What a rendering has used so far; each use beyond a bound throws RenderError that names it.
class Budget {
 public:
  explicit Budget(const Limits& limits) : limits_(limits) {}

  void step() {
    if (++steps_ > limits_.steps_max) fail_steps();
  }

  // A value of `bytes` is about to be made.
  void charge(std::uint64_t bytes);

  // `bytes` are about to be read through, compared or copied for a moment.
  void charge_work(std::uint64_t bytes) {
    steps_ += bytes / kBytesAStep;
    step();
  }

  // `bytes` of rendered text are about to be kept.
  void charge_output(std::uint64_t bytes);

  // One for each nested evaluation.
  void enter() {
    if (++depth_ > limits_.depth_max) fail_depth();
  }

  void leave() { --depth_; }

 private:
  static constexpr std::uint64_t kBytesAStep = 64;

  [[noreturn]] void fail_steps() const;
  [[noreturn]] void fail_depth() const;

  Limits limits_;
  std::uint64_t steps_ = 0;
  std::uint64_t bytes_ = 0;
  std::uint64_t output_bytes_ = 0;
  std::size_t depth_ = 0;
};

}  // namespace troupe::jinja
