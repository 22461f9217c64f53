// The seam between the model and what computes it: memory, a stream of operations, and the
// operations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>

#include "kernels/attention.hpp"
#include "kernels/bf16_linear.hpp"
#include "kernels/embedding.hpp"
#include "kernels/grouped_linear.hpp"
#include "kernels/int8_linear.hpp"
#include "kernels/linear.hpp"
#include "kernels/pack_bf16.hpp"
#include "kernels/quantize.hpp"
#include "kernels/rms_norm.hpp"
#include "kernels/rope_append.hpp"
#include "kernels/silu_mul.hpp"

namespace troupe::kernels {

class Device;

// Memory of one device, zeroed when allocated. The device must outlive it.
class DeviceBuffer {
 public:
  DeviceBuffer() = default;

  DeviceBuffer(Device& device, std::byte* data, std::size_t bytes)
      : device_(&device), data_(data), bytes_(bytes) {}

  ~DeviceBuffer();
  DeviceBuffer(DeviceBuffer&& other) noexcept;
  DeviceBuffer& operator=(DeviceBuffer&& other) noexcept;

  std::byte* data() const { return data_; }

  std::size_t bytes() const { return bytes_; }

 private:
  Device* device_ = nullptr;
  std::byte* data_ = nullptr;
  std::size_t bytes_ = 0;
};

// Operations run in the order given. Pointers in them are the device's; `run` may return before the
// work is done, and `synchronize` waits for all of it. (The CPU is done when `run` returns; a
// device with a queue will add capture of a step as a graph behind the same calls.)
class Device {
 public:
  virtual ~Device() = default;

  virtual std::string_view backend() const = 0;  // decides bits, with the kernel revision: "avx512"
  virtual int threads() const = 0;

  // Whether Bf16Linear is what the device does fastest among layers that keep a file's weights.
  virtual bool prefers_bf16() const = 0;

  // 64-byte aligned. Throws std::bad_alloc.
  virtual DeviceBuffer allocate(std::size_t bytes) = 0;
  virtual void copy_to_device(void* device, const void* host, std::size_t bytes) = 0;
  virtual void copy_to_host(void* host, const void* device, std::size_t bytes) = 0;

  // Has the pages of allocated memory made now, so that no operation waits for them; changes no
  // byte. From any thread, beside any operation. Does nothing where memory is there from the start.
  virtual void prefault(void*, std::size_t) {}

  virtual void move(void* to, const void* from, std::size_t bytes) = 0;  // may overlap
  virtual void synchronize() = 0;

  // Calls body(tile, thread) once for every tile in [0, tiles) on the host's threads (`thread` is
  // in [0, threads())): for what follows on data that is back from the device. A `body` that throws
  // ends the process.
  template <typename Body>
  void parallel_for(std::uint32_t tiles, Body&& body) {
    const HostTask task = [](void* context, std::uint32_t tile, int thread) {
      (*static_cast<std::remove_reference_t<Body>*>(context))(tile, thread);
    };
    run_on_host(tiles, task, const_cast<void*>(static_cast<const void*>(&body)));
  }

  // A new op also goes into forwarding_device.hpp, each_op_device.hpp and op_cost.hpp.
  // Layers of one call are independent of one another, so that they may share a launch (queries,
  // keys and values, say).
  virtual void run(std::span<const Linear> ops) = 0;
  virtual void run(std::span<const Int8Linear> ops) = 0;
  virtual void run(std::span<const GroupedLinear> ops) = 0;  // all of one x
  virtual void run(std::span<const Bf16Linear> ops) = 0;
  virtual void run(const Quantize& op) = 0;
  virtual void run(const PackBf16& op) = 0;
  virtual void run(const Embedding& op) = 0;
  virtual void run(const RmsNorm& op) = 0;
  virtual void run(const RopeAppend& op) = 0;
  virtual void run(const Attention& op) = 0;
  virtual void run(const SiluMul& op) = 0;

 protected:
  using HostTask = void (*)(void* context, std::uint32_t tile, int thread);

 private:
  friend class DeviceBuffer;
  friend class ForwardingDevice;  // passes all on to another
  virtual void run_on_host(std::uint32_t tiles, HostTask task, void* context) = 0;
  virtual void release(std::byte* data, std::size_t bytes) = 0;
};

// `amx` is `avx512` with int8 and BF16 layers and attention on the tile unit; `avx512_bf16` is it
// with BF16 layers and attention on BF16 vectors; `avx512f` is it without VNNI, whose int8 layers
// are those of `avx2`. `avx_vnni` is `avx2` with int8 layers by VNNI of 256 bits.
enum class CpuBackend { kAuto, kAmx, kAvx512Bf16, kAvx512, kAvx512F, kAvxVnni, kAvx2, kScalar };

// Throws config::UserError naming the choices.
CpuBackend parse_cpu_backend(std::string_view text);

int usable_processors();  // by this process

// 0 threads: one for each of those. Throws config::UserError when the CPU lacks the backend, naming
// what it has.
std::unique_ptr<Device> make_cpu_device(int threads, CpuBackend backend = CpuBackend::kAuto);

}  // namespace troupe::kernels
