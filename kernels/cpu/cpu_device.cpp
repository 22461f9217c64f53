// The CPU as a device: memory from the system, operations shared out over a thread pool at once.
#include <sched.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "config/check.hpp"
#include "config/user_error.hpp"
#include "kernels/cpu/cpu_kernels.hpp"
#include "kernels/cpu/tiling.hpp"
#include "kernels/device.hpp"
#include "kernels/thread_pool.hpp"

namespace troupe::kernels {
namespace {

constexpr std::int64_t kSiluValuesPerTile = 4096;
// With fewer tiles of attention than this for each thread, one long tile could leave others
// waiting.
constexpr std::int32_t kTilesPerThread = 4;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

// Splits of 256 keys that a tile sees.
std::int32_t splits_of(const AttentionTile& tile) {
  const std::int32_t keys = tile.sequence->position + tile.query_end;
  return (keys + kKvSplitTokens - 1) / kKvSplitTokens;
}

// That the longest sequence sees.
std::int32_t splits_of(const Attention& op) {
  std::int32_t splits = 0;
  for (std::int32_t i = 0; i < op.count; ++i) {
    const AttentionSequence& s = op.sequences[i];
    splits = std::max(splits, splits_of(AttentionTile{&s, 0, 0, s.tokens}));
  }
  return splits;
}

class CpuDevice final : public Device {
 public:
  CpuDevice(int threads, const CpuKernels& kernels)
      : name_(kernels.name),
        ops_(kernels.ops),
        int8_(kernels.int8),
        grouped_(kernels.grouped),
        bf16_(kernels.bf16),
        rounded_attention_(kernels.rounded_attention),
        pool_(threads),
        scratch_(static_cast<std::size_t>(threads)) {}

  std::string_view backend() const override { return name_; }

  int threads() const override { return pool_.threads(); }

  bool prefers_bf16() const override { return bf16_.fast; }

  // Pages are zero and take no memory until they are touched.
  DeviceBuffer allocate(std::size_t bytes) override {
    if (bytes == 0) return {};
    void* data = mmap(
        nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (data == MAP_FAILED) throw std::bad_alloc();
    if (bytes >= 2 * kHugePage) madvise(data, bytes, MADV_HUGEPAGE);
    return {*this, static_cast<std::byte*>(data), bytes};
  }

  void copy_to_device(void* device, const void* host, std::size_t bytes) override {
    std::memcpy(device, host, bytes);
  }

  void copy_to_host(void* host, const void* device, std::size_t bytes) override {
    std::memcpy(host, device, bytes);
  }

  // In whole pages around the bytes. Linux before 5.14 does not know how: then operations wait.
  void prefault(void* data, std::size_t bytes) override {
    constexpr std::uintptr_t kPage = 4096;
    const auto begin = reinterpret_cast<std::uintptr_t>(data) / kPage * kPage;
    const auto end = (reinterpret_cast<std::uintptr_t>(data) + bytes + kPage - 1) / kPage * kPage;
    madvise(reinterpret_cast<void*>(begin), end - begin, MADV_POPULATE_WRITE);
  }

  void move(void* to, const void* from, std::size_t bytes) override {
    std::memmove(to, from, bytes);
  }

  void synchronize() override {}

  void run(std::span<const Linear> ops) override {
    need_scratch(linear_scratch_floats(deepest(ops)));
    run_layers(ops, ops_.linear);
  }

  void run(std::span<const Int8Linear> ops) override {
    const std::int32_t k_max = deepest(ops);
    CHECK(k_max <= kInt8DepthMax, "sums fit int32");
    need_scratch(int8_scratch_floats(k_max));
    run_layers(ops, int8_.linear);
  }

  void run(std::span<const GroupedLinear> ops) override {
    const GroupedInput x = round_in_groups(ops.front());
    run_layers(ops, [&](const GroupedLinear& op, auto begin, auto end, float*) {
      grouped_.linear(op, x, begin, end);
    });
  }

  void run(std::span<const Bf16Linear> ops) override {
    need_scratch(bf16_scratch_floats(deepest(ops)));
    run_layers(ops, bf16_.linear);
  }

  void run(const PackBf16& op) override {
    need_scratch(bf16_scratch_floats(op.k));
    run_rows(op.rows, kBf16Tokens, [&](std::int32_t begin, std::int32_t end, float* scratch) {
      bf16_.pack(op, begin, end, scratch);
    });
  }

  void run(const Quantize& op) override {
    need_scratch(int8_scratch_floats(op.k));
    run_rows(
        op.rows, rows_per_tile(op.k), [&](std::int32_t begin, std::int32_t end, float* scratch) {
          int8_.quantize(op, begin, end, scratch);
        });
  }

  void run(const Embedding& op) override {
    const std::size_t bytes = row_bytes(op.type, op.k);
    need_scratch(kv_padded(op.k));
    run_rows(
        op.tokens, rows_per_tile(op.k), [&](std::int32_t begin, std::int32_t end, float* scratch) {
          for (std::int32_t i = begin; i < end; ++i) {
            const std::byte* row = op.table + static_cast<std::size_t>(op.ids[i]) * bytes;
            ops_.expand_row(op.type, row, op.k, scratch);
            std::copy_n(scratch, op.k, op.out + std::ptrdiff_t{i} * op.k);
          }
        });
  }

  void run(const RmsNorm& op) override {
    run_rows(op.rows, rows_per_tile(op.k), [&](std::int32_t begin, std::int32_t end, float*) {
      ops_.rms_norm(op, begin, end);
    });
  }

  void run(const RopeAppend& op) override {
    need_scratch(rope_append_scratch_floats(op.pool.head_dim));
    const auto tiles = static_cast<std::uint32_t>(rope_append_tile_count(op));
    pool_.parallel_for(tiles, [&](std::uint32_t tile, int thread) {
      ops_.rope_append(op, rope_append_tile(op, static_cast<std::int32_t>(tile)), scratch(thread));
    });
  }

  void run(const Attention& op) override {
    need_scratch(attention_scratch_floats(op.heads / op.pool.kv_heads, op.pool.head_dim));
    const AttentionOps& ops = op.pool.type == KvType::kF32 ? ops_.attention : rounded_attention_;
    const std::int32_t tiles = attention_tile_count(op);
    if (ops.part != nullptr && tiles < kTilesPerThread * pool_.threads()) {
      const std::int32_t splits = splits_of(op);
      if (splits > 1) return run_splits(op, ops, tiles, splits);
    }
    pool_.parallel_for(static_cast<std::uint32_t>(tiles), [&](std::uint32_t tile, int thread) {
      ops.whole(op, attention_tile(op, static_cast<std::int32_t>(tile)), scratch(thread));
    });
  }

  void run(const SiluMul& op) override {
    const auto tiles =
        static_cast<std::uint32_t>((op.values + kSiluValuesPerTile - 1) / kSiluValuesPerTile);
    pool_.parallel_for(tiles, [&](std::uint32_t tile, int) {
      const std::int64_t begin = tile * kSiluValuesPerTile;
      ops_.silu_mul(op, begin, std::min(op.values, begin + kSiluValuesPerTile));
    });
  }

 private:
  void release(std::byte* data, std::size_t bytes) override { munmap(data, bytes); }

  void run_on_host(std::uint32_t tiles, HostTask task, void* context) override {
    pool_.parallel_for(tiles, [&](std::uint32_t tile, int thread) { task(context, tile, thread); });
  }

  // Shares out rows in tiles of so many.
  template <typename Body>
  void run_rows(std::int32_t rows, std::int32_t rows_of_tile, Body body) {
    const auto tiles = static_cast<std::uint32_t>((rows + rows_of_tile - 1) / rows_of_tile);
    pool_.parallel_for(tiles, [&](std::uint32_t tile, int thread) {
      const std::int32_t begin = static_cast<std::int32_t>(tile) * rows_of_tile;
      body(begin, std::min(rows, begin + rows_of_tile), scratch(thread));
    });
  }

  // Shares out all layers in one loop.
  template <typename Layer, typename Kernel>
  void run_layers(std::span<const Layer> ops, Kernel kernel) {
    const LayerTiles<Layer> tiles(ops, threads());
    pool_.parallel_for(tiles.count(), [&](std::uint32_t index, int thread) {
      const auto tile = tiles.at(index);
      kernel(tile.layer, tile.begin, tile.end, scratch(thread));
    });
  }

  GroupedInput round_in_groups(const GroupedLinear& op) {
    const std::int32_t k = op.weights.k;
    const auto values =
        static_cast<std::size_t>(op.rows) * static_cast<std::size_t>(grouped_padded_k(k));
    const std::size_t groups = values / kGroupValues;
    const std::size_t bytes = values + 2 * groups * sizeof(float);
    if (rounded_.bytes() < bytes) rounded_ = allocate(bytes);
    auto* scales = reinterpret_cast<float*>(rounded_.data() + values);
    const GroupedInput x{reinterpret_cast<std::int8_t*>(rounded_.data()), scales, scales + groups};
    run_rows(op.rows, rows_per_tile(k), [&](std::int32_t begin, std::int32_t end, float*) {
      grouped_.round(op.x, k, x, begin, end);
    });
    return x;
  }

  // Few and long sequences: threads share the splits of a tile, which join in order afterwards.
  void run_splits(const Attention& op,
                  const AttentionOps& ops,
                  std::int32_t tiles,
                  std::int32_t splits) {
    const std::int32_t floats =
        attention_part_floats(op.heads / op.pool.kv_heads, op.pool.head_dim);
    const auto all = static_cast<std::size_t>(tiles * splits) * static_cast<std::size_t>(floats);
    // Twice what is needed: a growing sequence asks for more every 256 tokens.
    if (parts_.bytes() < all * sizeof(float)) parts_ = allocate(2 * all * sizeof(float));
    auto* parts = reinterpret_cast<float*>(parts_.data());
    const auto part_of = [&](std::int32_t index) { return parts + std::ptrdiff_t{index} * floats; };
    pool_.parallel_for(static_cast<std::uint32_t>(tiles * splits),
                       [&](std::uint32_t item, int thread) {
                         const auto index = static_cast<std::int32_t>(item);
                         const AttentionTile tile = attention_tile(op, index / splits);
                         if (index % splits >= splits_of(tile)) return;
                         ops.part(op, tile, index % splits, part_of(index), scratch(thread));
                       });
    pool_.parallel_for(static_cast<std::uint32_t>(tiles), [&](std::uint32_t tile, int) {
      const auto index = static_cast<std::int32_t>(tile);
      ops.join(op, attention_tile(op, index), part_of(index * splits), floats);
    });
  }

  float* scratch(int thread) {
    return reinterpret_cast<float*>(scratch_[static_cast<std::size_t>(thread)].data());
  }

  // Grows once or twice, then never again: shapes repeat from step to step.
  void need_scratch(std::int32_t floats) {
    const std::size_t bytes = static_cast<std::size_t>(floats) * sizeof(float);
    for (DeviceBuffer& buffer : scratch_) {
      if (buffer.bytes() < bytes) buffer = allocate(bytes);
    }
  }

  std::string_view name_;
  const CpuOps& ops_;
  const Int8Ops& int8_;
  const GroupedOps& grouped_;
  DeviceBuffer rounded_;  // the x of grouped layers
  const Bf16Ops& bf16_;
  const AttentionOps& rounded_attention_;
  ThreadPool pool_;
  std::vector<DeviceBuffer> scratch_;  // one a thread
  DeviceBuffer parts_;                 // of attention shared by splits
};

}  // namespace

int usable_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

std::unique_ptr<Device> make_cpu_device(int threads, CpuBackend backend) {
  constexpr int kThreadsMax =
      256;  // more than any machine this is meant for; guards against a typing error
  if (threads < 0 || threads > kThreadsMax) {
    throw config::UserError("--threads " + std::to_string(threads) + ": use 1 to " +
                            std::to_string(kThreadsMax) + ", or 0 for one each processor");
  }
  return std::make_unique<CpuDevice>(threads == 0 ? usable_processors() : threads,
                                     choose_cpu_kernels(backend));
}

}  // namespace troupe::kernels
