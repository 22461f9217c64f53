#include "tests/model/quality_meter.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <iterator>
#include <memory>
#include <numeric>
#include <span>
#include <stdexcept>

#include "kernels/thread_pool.hpp"
#include "model/kv_cache.hpp"
#include "model/model_file.hpp"
#include "model/tokenizer.hpp"
#include "model/transformer.hpp"
#include "tests/support/model_files.hpp"

namespace troupe::tests {
namespace {

using Tokens = std::vector<std::int32_t>;

constexpr const char* kKinds[] = {"prose", "chat", "code", "maths", "documentation", "languages"};
constexpr std::size_t kSequenceTokens = 512;
constexpr std::size_t kChunk = 128;

struct Sequence {
  std::size_t kind = 0;
  Tokens tokens;
};

std::size_t positions_wanted() {
  const char* wanted = std::getenv("TROUPE_GATE_TOKENS");
  return wanted == nullptr ? 6 * kSequenceTokens : std::stoul(wanted);
}

std::string text_of(const std::string& kind) {
  const auto path = repository() / "tests/model/data/quality" / (kind + ".txt");
  std::ifstream in(path);
  if (!in.good()) throw std::runtime_error(path.string() + " is missing");
  return {std::istreambuf_iterator<char>(in), {}};
}

// Marks of the chat template are read as the tokens that they are for users.
std::vector<Sequence> whole_text(const model::ModelFile& file) {
  const model::Tokenizer tokenizer(file);
  std::vector<Sequence> sequences;
  for (std::size_t kind = 0; kind < std::size(kKinds); ++kind) {
    const Tokens tokens = tokenizer.encode(text_of(kKinds[kind]), model::SpecialTokens::kParse);
    for (std::size_t begin = 0; begin < tokens.size(); begin += kSequenceTokens) {
      const std::size_t count = std::min(kSequenceTokens, tokens.size() - begin);
      const auto first = tokens.begin() + static_cast<std::ptrdiff_t>(begin);
      sequences.push_back({kind, Tokens(first, first + static_cast<std::ptrdiff_t>(count))});
    }
  }
  return sequences;
}

std::vector<Sequence> wanted_text(const model::ModelFile& file) {
  const std::vector<Sequence> all = whole_text(file);
  const std::size_t wanted = (positions_wanted() + kSequenceTokens - 1) / kSequenceTokens;
  if (wanted >= all.size()) return all;
  std::vector<Sequence> some;
  for (std::size_t i = 0; i < wanted; ++i) some.push_back(all[i * all.size() / wanted]);
  return some;
}

// A model in one mode, for one sequence at a time.
struct Engine {
  Engine(const model::ModelFile& file,
         kernels::Device& device,
         const model::WeightsOptions& options)
      : transformer(file, device, kChunk, options),
        cache(device, transformer.architecture(), model::blocks_for(kSequenceTokens), options.kv),
        blocks(static_cast<std::size_t>(cache.blocks())) {
    std::iota(blocks.begin(), blocks.end(), 0);
  }

  void run(std::span<const std::int32_t> tokens, std::size_t position, std::span<float> logits) {
    const model::SequenceSlice slice{tokens,
                                     static_cast<std::int32_t>(position),
                                     blocks,
                                     static_cast<std::int32_t>(tokens.size())};
    transformer.forward({&slice, 1}, cache, logits);
  }

  model::Transformer transformer;
  model::KvCache cache;
  std::vector<std::int32_t> blocks;
};

double log_sum_exp(std::span<const float> logits) {
  const float top = *std::ranges::max_element(logits);
  double sum = 0;
  for (const float x : logits) sum += static_cast<double>(std::exp(x - top));
  return static_cast<double>(top) + std::log(sum);
}

std::ptrdiff_t top_of(std::span<const float> logits) {
  return std::ranges::max_element(logits) - logits.begin();
}

// What is needed of FP32's logits at one position, made once for all modes.
struct Expected {
  explicit Expected(std::span<const float> logits_of_row)
      : logits(logits_of_row), total(log_sum_exp(logits_of_row)), top(top_of(logits_of_row)) {}

  double divergence_from(std::span<const float> found) const {
    const double found_total = log_sum_exp(found);
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double log_p = static_cast<double>(logits[i]) - total;
      if (log_p < -30) continue;  // under 1e-13 of the whole
      const double p = static_cast<double>(std::exp(static_cast<float>(log_p)));
      sum += p * (log_p - static_cast<double>(found[i]) + found_total);
    }
    return sum;
  }

  std::span<const float> logits;  // [vocab]
  double total;
  std::ptrdiff_t top;
};

// Sums over positions, until `mean`.
void add(Distance& to, const Distance& sums) {
  to.positions += sums.positions;
  to.divergence += sums.divergence;
  to.same_top += sums.same_top;
}

Distance mean(Distance sums) {
  const auto positions = static_cast<double>(std::max<std::size_t>(sums.positions, 1));
  return {sums.positions, sums.divergence / positions, sums.same_top / positions};
}

class Meter {
 public:
  Meter(const std::filesystem::path& path, const std::vector<Mode>& modes)
      : file_(model::ModelFile::open(path)),
        device_(kernels::make_cpu_device(0)),
        pool_(device_->threads()),
        plain_(file_, *device_, {.precision = model::Precision::kFp32}),
        sums_(modes.size(), std::vector<Distance>(std::size(kKinds))) {
    for (const Mode& mode : modes) {
      const auto packed = model::packed_file_of(path, mode.precision);
      engines_.push_back(std::make_unique<Engine>(
          file_,
          *device_,
          model::WeightsOptions{
              .precision = mode.precision, .kv = mode.kv, .packed_file = packed, .progress = {}}));
    }
    expected_.resize(kChunk * vocab());
    found_.resize(kChunk * vocab());
  }

  void measure() {
    for (const Sequence& sequence : wanted_text(file_)) {
      for (std::size_t at = 0; at < sequence.tokens.size(); at += kChunk)
        measure_chunk(sequence, at);
    }
  }

  ModeDistance distance(std::size_t mode) const {
    ModeDistance result;
    for (std::size_t kind = 0; kind < std::size(kKinds); ++kind) {
      add(result.whole, sums_[mode][kind]);
      result.kinds.push_back({kKinds[kind], mean(sums_[mode][kind])});
    }
    result.whole = mean(result.whole);
    return result;
  }

 private:
  std::size_t vocab() const {
    return static_cast<std::size_t>(plain_.transformer.architecture().vocab);
  }

  void measure_chunk(const Sequence& sequence, std::size_t at) {
    const std::size_t count = std::min(kChunk, sequence.tokens.size() - at);
    const auto tokens = std::span(sequence.tokens).subspan(at, count);
    const auto logits = std::span(expected_).first(count * vocab());
    plain_.run(tokens, at, logits);
    std::vector<Expected> rows;
    for (std::size_t row = 0; row < count; ++row)
      rows.emplace_back(logits.subspan(row * vocab(), vocab()));
    for (std::size_t mode = 0; mode < engines_.size(); ++mode) {
      engines_[mode]->run(tokens, at, std::span(found_).first(count * vocab()));
      add(sums_[mode][sequence.kind], compare(rows));
    }
  }

  Distance compare(const std::vector<Expected>& rows) {
    std::vector<Distance> of_rows(rows.size());
    pool_.parallel_for(static_cast<std::uint32_t>(rows.size()), [&](std::uint32_t row, int) {
      const auto found = std::span<const float>(found_).subspan(row * vocab(), vocab());
      of_rows[row] = {
          1, rows[row].divergence_from(found), top_of(found) == rows[row].top ? 1.0 : 0.0};
    });
    Distance sums;
    for (const Distance& of_row : of_rows) add(sums, of_row);
    return sums;
  }

  model::ModelFile file_;
  std::unique_ptr<kernels::Device> device_;
  kernels::ThreadPool pool_;
  Engine plain_;
  std::vector<std::unique_ptr<Engine>> engines_;
  std::vector<std::vector<Distance>> sums_;  // [modes][kinds]
  std::vector<float> expected_;              // [kChunk, vocab]
  std::vector<float> found_;                 // [kChunk, vocab]
};

}  // namespace

std::vector<ModeDistance> measure_modes(const std::string& model_name,
                                        const std::vector<Mode>& modes) {
  Meter meter(model_file(model_name), modes);
  meter.measure();
  std::vector<ModeDistance> distances;
  for (std::size_t mode = 0; mode < modes.size(); ++mode) distances.push_back(meter.distance(mode));
  return distances;
}

}  // namespace troupe::tests
