#include "apps/faults.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>
#include <stdexcept>
#include <system_error>
#include <utility>

#include "apps/faulty_device.hpp"

namespace troupe::apps {
namespace {

namespace link = actors::link;

// An order for the middle of a step is carried out in this operation: in the first layer of any
// model.
constexpr std::uint32_t kOperationOfFault = 5;
constexpr int kExitOnOrder = 3;
constexpr std::string_view kThrowBatch = "throw batch";

[[noreturn]] void hang() {
  std::atomic<std::uint64_t> turns = 0;
  for (;;) turns.fetch_add(1);
}

// As a kernel that runs past its memory.
void write_where_nothing_is() {
  volatile std::uintptr_t address = 64;
  *reinterpret_cast<volatile int*>(address) = 1;
}

void carry_out(const std::string& order) {
  if (order == "exit") std::_Exit(kExitOnOrder);
  if (order == "segv") write_where_nothing_is();
  if (order == "hang") hang();
  if (order == "throw infer") throw std::runtime_error("on purpose");
}

std::shared_ptr<link::LinkFaults> link_faults(const config::FaultConfig& config) {
  return config.orders != 0 ? std::make_shared<link::LinkFaults>() : nullptr;
}

}  // namespace

FaultOrders::FaultOrders(const config::NodeConfig& config, const std::string& process) {
  if (config.faults.orders != 0) file_ = config.node.state / (process + ".order");
}

std::string FaultOrders::look() const {
  std::string order;
  if (file_.empty()) return order;
  std::ifstream in(file_);
  std::getline(in, order);
  return order;
}

std::string FaultOrders::take() const {
  std::string order = look();
  std::error_code ignored;
  if (!order.empty()) std::filesystem::remove(file_, ignored);
  return order;
}

FrontFaults::FrontFaults(const config::NodeConfig& config, const std::string& front)
    : orders_(config, front), links_(link_faults(config.faults)) {}

void FrontFaults::at_beat() const {
  const std::string order = orders_.take();
  if (order.empty() || links_->order(order, std::chrono::steady_clock::now())) return;
  carry_out(order);
}

WorkerFaults::WorkerFaults(const config::NodeConfig& config, const std::string& worker)
    : config_(config.faults), orders_(config, worker), links_(link_faults(config_)) {}

std::unique_ptr<kernels::Device> WorkerFaults::hinder(std::unique_ptr<kernels::Device> device) {
  if (config_.orders == 0 && config_.nan_token == 0) return device;
  return std::make_unique<FaultyDevice>(std::move(device), *this);
}

void WorkerFaults::at_start() const {
  if (config_.crash_at_start != 0) std::raise(SIGABRT);
}

bool WorkerFaults::configured() const {
  return config_.orders != 0 || config_.poison_token != 0 || config_.nan_token != 0;
}

void WorkerFaults::at_beat() {
  if (!links_) return;
  const std::scoped_lock lock(orders_mutex_);
  const std::string order = orders_.look();
  const bool throws = order == kThrowBatch;
  if (throws || links_->order(order, std::chrono::steady_clock::now())) (void)orders_.take();
  if (throws) throw std::runtime_error("on purpose");
}

// Nothing to look at in a node that serves.
void WorkerFaults::in_step(const messages::Batch& batch) {
  if (!configured()) return;
  operations_ = 0;
  learn(batch);
  if (const std::string order = take_order(); !order.empty()) obey(order);
  look_at(batch);
}

std::string WorkerFaults::take_order() {
  const std::scoped_lock lock(orders_mutex_);
  return orders_.look() == kThrowBatch ? std::string{} : orders_.take();
}

void WorkerFaults::learn(const messages::Batch& batch) {
  for (const std::uint64_t id : batch.left) known_.erase(id);
  for (const messages::WorkItem& item : batch.joined) {
    const auto holds = [&item](std::uint32_t token) {
      return token != 0 &&
             std::ranges::find(item.prompt_tokens, static_cast<std::int32_t>(token)) !=
                 item.prompt_tokens.end();
    };
    const std::size_t last = item.prompt_tokens.size() + item.sampling.max_tokens - 2;
    known_[item.request_id] = {.poison = holds(config_.poison_token),
                               .nan = holds(config_.nan_token),
                               .last_position = static_cast<std::int32_t>(last)};
  }
}

void WorkerFaults::look_at(const messages::Batch& batch) {
  nan_rows_.clear();
  std::int32_t row = 0;
  for (const messages::BatchSlice& slice : batch.slices) {
    const Known& known = known_[slice.request_id];
    const std::int32_t end = slice.position + slice.count;
    if (known.poison) std::raise(SIGSEGV);
    if (known.nan) nan_rows_.emplace_back(row, row + slice.count);
    const bool is_last = slice.sample && end > known.last_position;
    if (kill_in_ == "prefill" && slice.count > 1) std::raise(SIGKILL);
    if (kill_in_ == "last" && is_last) std::raise(SIGKILL);
    row += slice.count;
  }
}

void WorkerFaults::obey(const std::string& order) {
  constexpr std::string_view kKill = "kill ";
  constexpr std::string_view kGrow = "grow ";
  if (order.starts_with(kKill)) {
    kill_in_ = order.substr(kKill.size());
  } else if (order.starts_with(kGrow)) {
    grow(std::strtoul(order.c_str() + kGrow.size(), nullptr, 10) << 20U);
  } else if (!links_->order(order, std::chrono::steady_clock::now())) {
    in_operation_ = order;
  }
}

// On a thread of its own, piece by piece: as long as a machine takes to find the pages, the worker
// is no hanging one.
void WorkerFaults::grow(std::size_t bytes) {
  grower_ = std::jthread([this, bytes] {
    constexpr std::size_t kPiece = std::size_t{16} << 20U;
    for (std::size_t held = 0; held < bytes; held += kPiece) grown_.emplace_back(kPiece, 'x');
  });
}

void WorkerFaults::in_operation() {
  if (++operations_ != kOperationOfFault || in_operation_.empty()) return;
  carry_out(std::exchange(in_operation_, {}));
}

// The first layer's input of a marked request: from there it reaches its keys and its logits.
void WorkerFaults::spoil(const kernels::Embedding& op) const {
  for (const auto& [first, end] : nan_rows_) {
    float* const begin = op.out + static_cast<std::ptrdiff_t>(first) * op.k;
    std::fill_n(begin,
                static_cast<std::ptrdiff_t>(end - first) * op.k,
                std::numeric_limits<float>::quiet_NaN());
  }
}

}  // namespace troupe::apps
