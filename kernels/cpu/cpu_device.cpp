// The CPU as a device: memory from the system, operations shared out over a thread pool at once.
#include <cpuid.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>

#include "config/check.hpp"
#include "config/user_error.hpp"
#include "kernels/cpu/isa_kernels.hpp"
#include "kernels/device.hpp"
#include "kernels/reference/reference.hpp"
#include "kernels/thread_pool.hpp"

namespace troupe::kernels {
namespace {

// The FP32 kernels of one instruction set.
struct CpuOps {
  void (*expand_row)(TensorType, const std::byte*, std::int32_t, float*);
  void (*linear)(const Linear&, std::int32_t, std::int32_t, float*);
  void (*rms_norm)(const RmsNorm&, std::int32_t, std::int32_t);
  void (*attention)(const Attention&, const AttentionTile&, float*);
  void (*silu_mul)(const SiluMul&, std::int64_t, std::int64_t);
};

constexpr CpuOps kAvx512Ops{
    avx512::expand_row, avx512::linear, avx512::rms_norm, avx512::attention, avx512::silu_mul};
constexpr CpuOps kAvx2Ops{
    avx2::expand_row, avx2::linear, avx2::rms_norm, avx2::attention, avx2::silu_mul};
constexpr CpuOps kScalarOps{
    reference::expand_row,
    reference::linear,
    reference::rms_norm,
    [](const Attention& op, const AttentionTile& tile, float*) { reference::attention(op, tile); },
    reference::silu_mul};

// The int8 kernels of one instruction set; they all give the same bits.
struct Int8Ops {
  void (*quantize)(const Quantize&, std::int32_t, std::int32_t, float*);
  void (*linear)(const Int8Linear&, std::int32_t, std::int32_t, float*);
};

constexpr Int8Ops kAmxInt8Ops{vnni::quantize, amx::int8_linear};
constexpr Int8Ops kVnniInt8Ops{vnni::quantize, vnni::int8_linear};
constexpr Int8Ops kAvx2Int8Ops{avx2::quantize, avx2::int8_linear};
constexpr Int8Ops kScalarInt8Ops{reference::quantize, reference::int8_linear};

// The same bits from each of them, too.
struct GroupedOps {
  void (*round)(const float*, std::int32_t, const GroupedInput&, std::int32_t, std::int32_t);
  void (*linear)(const GroupedLinear&, const GroupedInput&, std::int32_t, std::int32_t);
};

constexpr GroupedOps kVnniGroupedOps{vnni::group_rows, vnni::grouped_linear};
constexpr GroupedOps kAvx2GroupedOps{avx2::group_rows, avx2::grouped_linear};
constexpr GroupedOps kScalarGroupedOps{reference::group_rows, reference::grouped_linear};

// Without a tile unit BF16 has no speed to offer: the plain form serves tests.
struct Bf16Ops {
  bool fast;
  void (*pack)(const PackBf16&, std::int32_t, std::int32_t, float*);
  void (*linear)(const Bf16Linear&, std::int32_t, std::int32_t, float*);
};

constexpr Bf16Ops kAmxBf16Ops{true, amx::pack_bf16, amx::bf16_linear};
constexpr Bf16Ops kPlainBf16Ops{false, reference::pack_bf16, reference::bf16_linear};

bool cpu_has_avx2() {
  return __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0 &&
         __builtin_cpu_supports("f16c") != 0;
}

bool cpu_has_avx512() {
  return cpu_has_avx2() && __builtin_cpu_supports("avx512f") != 0 &&
         __builtin_cpu_supports("avx512bw") != 0 && __builtin_cpu_supports("avx512dq") != 0 &&
         __builtin_cpu_supports("avx512vl") != 0;
}

bool cpu_has_vnni() { return cpu_has_avx512() && __builtin_cpu_supports("avx512vnni") != 0; }

// What BF16 layers take beside tiles; every CPU with tiles has had all of it.
bool cpu_has_bf16() {
  return __builtin_cpu_supports("avx512bf16") != 0 && __builtin_cpu_supports("avx512vbmi") != 0 &&
         __builtin_cpu_supports("avx512vbmi2") != 0;
}

// Bits of CPUID leaf 7: TILE, INT8 and BF16 of AMX; g++ 12 has no name for them.
bool cpu_has_tiles() {
  unsigned a = 0;
  unsigned b = 0;
  unsigned c = 0;
  unsigned d = 0;
  constexpr unsigned kTile = 1U << 24;
  constexpr unsigned kInt8 = 1U << 25;
  constexpr unsigned kBf16 = 1U << 22;
  constexpr unsigned kAll = kTile | kInt8 | kBf16;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & kAll) == kAll;
}

// Tiles need the kernel's permission, which holds for every thread of the process from then on.
// docs.kernel.org/arch/x86/xstate.html
bool may_use_tiles() {
  constexpr long kRequestPermission = 0x1023;
  constexpr long kTileData = 18;
  return cpu_has_vnni() && cpu_has_bf16() && cpu_has_tiles() &&
         syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
}

std::string available_backends() {
  return std::string(may_use_tiles() ? "amx, " : "") +
         std::string(cpu_has_avx512() ? "avx512, " : "") + (cpu_has_avx2() ? "avx2, " : "") +
         "scalar";
}

// What a device runs.
struct Kernels {
  std::string_view name;
  const CpuOps& ops;
  const Int8Ops& int8;
  const GroupedOps& grouped;
  const Bf16Ops& bf16 = kPlainBf16Ops;
};

Kernels kernels_of(CpuBackend backend) {
  switch (backend) {
    case CpuBackend::kAmx:
      return {"amx", kAvx512Ops, kAmxInt8Ops, kVnniGroupedOps, kAmxBf16Ops};
    case CpuBackend::kAvx512:
      return {"avx512",
              kAvx512Ops,
              cpu_has_vnni() ? kVnniInt8Ops : kAvx2Int8Ops,
              cpu_has_vnni() ? kVnniGroupedOps : kAvx2GroupedOps};
    case CpuBackend::kAvx2:
      return {"avx2", kAvx2Ops, kAvx2Int8Ops, kAvx2GroupedOps};
    case CpuBackend::kAuto:
    case CpuBackend::kScalar:
      break;
  }
  return {"scalar", kScalarOps, kScalarInt8Ops, kScalarGroupedOps};
}

bool available(CpuBackend backend) {
  switch (backend) {
    case CpuBackend::kAmx:
      return may_use_tiles();
    case CpuBackend::kAvx512:
      return cpu_has_avx512();
    case CpuBackend::kAvx2:
      return cpu_has_avx2();
    case CpuBackend::kAuto:
    case CpuBackend::kScalar:
      break;
  }
  return true;
}

Kernels choose_kernels(CpuBackend wanted) {
  if (wanted == CpuBackend::kAuto) {
    for (const CpuBackend backend : {CpuBackend::kAmx, CpuBackend::kAvx512, CpuBackend::kAvx2}) {
      if (available(backend)) return kernels_of(backend);
    }
    return kernels_of(CpuBackend::kScalar);
  }
  const Kernels chosen = kernels_of(wanted);
  if (available(wanted)) return chosen;
  throw config::UserError("--cpu-backend " + std::string(chosen.name) +
                          ": this CPU does not have it; it has " + available_backends() +
                          "; use one of these or auto");
}

int usable_processors() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  return std::max(1, CPU_COUNT(&set));
}

// Columns of one tile: about 64 kB of weights, so that claiming a tile costs little and a thread
// that is descheduled holds little; whole panels. A function of the shape alone.
std::int32_t columns_per_tile(const Linear& op) {
  constexpr std::size_t kTileBytes = 64 * 1024;
  const std::size_t columns = kTileBytes / std::max<std::size_t>(row_bytes(op.type, op.k), 1);
  const auto panels = static_cast<std::int32_t>(columns) / kLinearPanelRows;
  return std::clamp(panels, 1, 64) * kLinearPanelRows;
}

std::int32_t tiles_of(const Linear& op) {
  const std::int32_t columns = columns_per_tile(op);
  return (op.n + columns - 1) / columns;
}

std::int32_t columns_per_tile(const Int8Linear& op) {
  constexpr std::int32_t kTileBytes = 64 * 1024;
  const std::int32_t panel_bytes = kInt8Columns * int8_padded_k(op.weights.k);
  return std::clamp(kTileBytes / panel_bytes, 1, 64) * kInt8Columns;
}

std::int32_t tiles_of(const Int8Linear& op) {
  const std::int32_t columns = columns_per_tile(op);
  return (op.weights.n + columns - 1) / columns;
}

std::int32_t columns_per_tile(const GroupedLinear& op) {
  constexpr std::size_t kTileBytes = 48 * 1024;
  const GroupedWeights& w = op.weights;
  const std::size_t panels = kTileBytes / grouped_bytes(w.bits, kGroupedColumns, w.k);
  return static_cast<std::int32_t>(std::clamp<std::size_t>(panels, 1, 64)) * kGroupedColumns;
}

std::int32_t tiles_of(const GroupedLinear& op) {
  const std::int32_t columns = columns_per_tile(op);
  return (op.weights.n + columns - 1) / columns;
}

// A few panels when all of x passes by them; for few rows of x about 64 kB of the file.
std::int32_t columns_per_tile(const Bf16Linear& op) { return kBf16Panels * bf16_panel_columns(op); }

std::int32_t tiles_of(const Bf16Linear& op) {
  const std::int32_t columns = columns_per_tile(op);
  return (op.n + columns - 1) / columns;
}

constexpr std::int64_t kSiluValuesPerTile = 4096;
constexpr std::int32_t kNormValuesPerTile = 16384;
constexpr std::size_t kHugePage = std::size_t{2} << 20;

void rotate(const Rope& op, std::int32_t token) {
  const std::int32_t half = op.head_dim / 2;
  const float* cos = op.cos + std::ptrdiff_t{token} * half;
  const float* sin = op.sin + std::ptrdiff_t{token} * half;
  const std::int32_t step = op.interleaved ? 2 : 1;
  const std::int32_t partner = op.interleaved ? 1 : half;
  for (std::int32_t h = 0; h < op.heads; ++h) {
    float* x = op.x + (std::ptrdiff_t{token} * op.heads + h) * op.head_dim;
    for (std::int32_t i = 0; i < half; ++i) {
      float& a = x[i * step];
      float& b = x[i * step + partner];
      const float rotated = a * cos[i] - b * sin[i];
      b = a * sin[i] + b * cos[i];
      a = rotated;
    }
  }
}

// Stores one token's key and value of one head.
void append(const KvAppend& op, const AttentionSequence& s, std::int32_t token, std::int32_t head) {
  const KvPool& pool = op.pool;
  const std::int32_t position = s.position + token;
  const std::int32_t slot = position % kKvBlockTokens;
  const std::ptrdiff_t block = s.blocks[position / kKvBlockTokens];
  float* keys = pool.storage + (block * pool.kv_heads + head) * kv_head_floats(pool.head_dim);
  float* values = keys + kKvBlockTokens * pool.head_dim + slot * kv_padded(pool.head_dim);
  const std::ptrdiff_t row = (std::ptrdiff_t{s.row + token} * pool.kv_heads + head) * pool.head_dim;
  for (std::int32_t d = 0; d < pool.head_dim; ++d) {
    keys[d * kKvBlockTokens + slot] = op.k[row + d];
    values[d] = op.v[row + d];
  }
}

class CpuDevice final : public Device {
 public:
  CpuDevice(int threads, const Kernels& kernels)
      : name_(kernels.name),
        ops_(kernels.ops),
        int8_(kernels.int8),
        grouped_(kernels.grouped),
        bf16_(kernels.bf16),
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

  void synchronize() override {}

  void run(std::span<const Linear> ops) override {
    std::int32_t k_max = 0;
    for (const Linear& op : ops) k_max = std::max(k_max, op.k);
    need_scratch(linear_scratch_floats(k_max));
    run_columns(ops, ops_.linear, [](const Linear& op) { return op.n; });
  }

  void run(std::span<const Int8Linear> ops) override {
    std::int32_t k_max = 0;
    for (const Int8Linear& op : ops) k_max = std::max(k_max, op.weights.k);
    CHECK(k_max <= kInt8DepthMax, "sums fit int32");
    need_scratch(int8_scratch_floats(k_max));
    run_columns(ops, int8_.linear, [](const Int8Linear& op) { return op.weights.n; });
  }

  void run(std::span<const GroupedLinear> ops) override {
    const GroupedInput x = round_in_groups(ops.front());
    const auto columns = [&](const GroupedLinear& op, auto begin, auto end, float*) {
      grouped_.linear(op, x, begin, end);
    };
    run_columns(ops, columns, [](const GroupedLinear& op) { return op.weights.n; });
  }

  void run(std::span<const Bf16Linear> ops) override {
    std::int32_t k_max = 0;
    for (const Bf16Linear& op : ops) k_max = std::max(k_max, op.k);
    need_scratch(bf16_scratch_floats(k_max));
    run_columns(ops, bf16_.linear, [](const Bf16Linear& op) { return op.n; });
  }

  void run(const PackBf16& op) override {
    need_scratch(bf16_scratch_floats(op.k));
    const auto tiles = static_cast<std::uint32_t>((op.rows + kBf16Tokens - 1) / kBf16Tokens);
    pool_.parallel_for(tiles, [&](std::uint32_t tile, int thread) {
      const std::int32_t begin = static_cast<std::int32_t>(tile) * kBf16Tokens;
      bf16_.pack(op, begin, std::min(op.rows, begin + kBf16Tokens), scratch(thread));
    });
  }

  void run(const Quantize& op) override {
    need_scratch(int8_scratch_floats(op.k));
    const std::int32_t rows = std::max(1, kNormValuesPerTile / op.k);
    pool_.parallel_for(static_cast<std::uint32_t>((op.rows + rows - 1) / rows),
                       [&](std::uint32_t tile, int thread) {
                         const std::int32_t begin = static_cast<std::int32_t>(tile) * rows;
                         int8_.quantize(
                             op, begin, std::min(op.rows, begin + rows), scratch(thread));
                       });
  }

  void run(const Embedding& op) override {
    const std::size_t bytes = row_bytes(op.type, op.k);
    need_scratch(kv_padded(op.k));
    pool_.parallel_for(1, [&](std::uint32_t, int thread) {
      for (std::int32_t i = 0; i < op.tokens; ++i) {
        ops_.expand_row(
            op.type, op.table + static_cast<std::size_t>(op.ids[i]) * bytes, op.k, scratch(thread));
        std::copy_n(scratch(thread), op.k, op.out + std::ptrdiff_t{i} * op.k);
      }
    });
  }

  void run(const RmsNorm& op) override {
    const std::int32_t rows = std::max(1, kNormValuesPerTile / op.k);
    pool_.parallel_for(static_cast<std::uint32_t>((op.rows + rows - 1) / rows),
                       [&](std::uint32_t tile, int) {
                         const std::int32_t begin = static_cast<std::int32_t>(tile) * rows;
                         ops_.rms_norm(op, begin, std::min(op.rows, begin + rows));
                       });
  }

  void run(const Rope& op) override {
    const std::int32_t rows = std::max(1, kNormValuesPerTile / (op.heads * op.head_dim));
    pool_.parallel_for(static_cast<std::uint32_t>((op.tokens + rows - 1) / rows),
                       [&](std::uint32_t tile, int) {
                         const std::int32_t begin = static_cast<std::int32_t>(tile) * rows;
                         for (std::int32_t t = begin; t < std::min(op.tokens, begin + rows); ++t)
                           rotate(op, t);
                       });
  }

  void run(const KvAppend& op) override {
    for (std::int32_t i = 0; i < op.count; ++i) {
      const AttentionSequence& s = op.sequences[i];
      for (std::int32_t head = 0; head < op.pool.kv_heads; ++head) {
        for (std::int32_t token = 0; token < s.tokens; ++token) append(op, s, token, head);
      }
    }
  }

  void run(const Attention& op) override {
    need_scratch(attention_scratch_floats(op.heads / op.pool.kv_heads, op.pool.head_dim));
    const auto tiles = static_cast<std::uint32_t>(attention_tile_count(op));
    pool_.parallel_for(tiles, [&](std::uint32_t tile, int thread) {
      ops_.attention(op, attention_tile(op, static_cast<std::int32_t>(tile)), scratch(thread));
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

  // Shares out the columns of all layers, in one loop.
  template <typename Layer, typename Kernel, typename Width>
  void run_columns(std::span<const Layer> ops, Kernel kernel, Width width) {
    std::uint32_t tiles = 0;
    for (const Layer& op : ops) tiles += static_cast<std::uint32_t>(tiles_of(op));
    pool_.parallel_for(tiles, [&](std::uint32_t tile, int thread) {
      auto index = static_cast<std::int32_t>(tile);
      std::size_t i = 0;
      for (; index >= tiles_of(ops[i]); ++i) index -= tiles_of(ops[i]);
      const std::int32_t columns = columns_per_tile(ops[i]);
      const std::int32_t end = std::min(width(ops[i]), (index + 1) * columns);
      kernel(ops[i], index * columns, end, scratch(thread));
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
    const std::int32_t rows = std::max(1, kNormValuesPerTile / k);
    pool_.parallel_for(static_cast<std::uint32_t>((op.rows + rows - 1) / rows),
                       [&](std::uint32_t tile, int) {
                         const std::int32_t begin = static_cast<std::int32_t>(tile) * rows;
                         grouped_.round(op.x, k, x, begin, std::min(op.rows, begin + rows));
                       });
    return x;
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
  ThreadPool pool_;
  std::vector<DeviceBuffer> scratch_;  // one a thread
};

}  // namespace

CpuBackend parse_cpu_backend(std::string_view text) {
  if (text == "auto") return CpuBackend::kAuto;
  if (text == "amx") return CpuBackend::kAmx;
  if (text == "avx512") return CpuBackend::kAvx512;
  if (text == "avx2") return CpuBackend::kAvx2;
  if (text == "scalar") return CpuBackend::kScalar;
  throw config::UserError("--cpu-backend " + std::string(text) +
                          ": unknown; use auto, amx, avx512, avx2, or scalar");
}

std::unique_ptr<Device> make_cpu_device(int threads, CpuBackend backend) {
  constexpr int kThreadsMax =
      256;  // more than any machine this is meant for; guards against a typing error
  if (threads < 0 || threads > kThreadsMax) {
    throw config::UserError("--threads " + std::to_string(threads) + ": use 1 to " +
                            std::to_string(kThreadsMax) + ", or 0 for one each processor");
  }
  return std::make_unique<CpuDevice>(threads == 0 ? usable_processors() : threads,
                                     choose_kernels(backend));
}

}  // namespace troupe::kernels
