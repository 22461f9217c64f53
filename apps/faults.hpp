// The faults that [faults] of a test's configuration switches on in a process.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "actors/link/link_faults.hpp"
#include "config/node_config.hpp"
#include "kernels/device.hpp"
#include "messages/batch.hpp"

namespace troupe::apps {

// What a test wants a process to do to itself: one line in STATE/NAME.order, which it renames into
// place. Whoever reads it removes it.
class FaultOrders {
 public:
  FaultOrders(const config::NodeConfig& config, const std::string& process);

  // The order that came since the last call; empty: none, or they are switched off.
  std::string take() const;
  // The same, and leaves it.
  std::string look() const;

 private:
  std::filesystem::path file_;  // empty: switched off
};

// Orders of the front, which looks at every beat: exit, segv; drop … and delay … as below.
class FrontFaults {
 public:
  FrontFaults(const config::NodeConfig& config, const std::string& front);

  // Of the front's port; none when no order can come.
  const std::shared_ptr<actors::link::LinkFaults>& links() const { return links_; }

  void at_beat() const;

 private:
  FaultOrders orders_;
  std::shared_ptr<actors::link::LinkFaults> links_;
};

// Orders of a worker, which looks before every step:
// - exit, segv, hang, throw infer: in the middle of that step;
// - throw batch: at the next beat of the batch stage;
// - kill prefill, kill last: in the next step that computes a prompt, or a request's last token;
// - grow MEBIBYTES: it holds so much more from now on;
// - drop …, delay …: see actors/link/link_faults.hpp; for these it also looks at every beat.
class WorkerFaults {
 public:
  WorkerFaults(const config::NodeConfig& config, const std::string& worker);

  // `device`, where its operations have to be hindered; else as it is.
  std::unique_ptr<kernels::Device> hinder(std::unique_ptr<kernels::Device> device);

  // Of the worker's port; none when no order can come.
  const std::shared_ptr<actors::link::LinkFaults>& links() const { return links_; }

  // Dies here when the configuration says so.
  void at_start() const;
  // On the batch stage's thread: orders for the links need no step.
  void at_beat();
  // On infer's thread, before the forward pass and in it.
  void in_step(const messages::Batch& batch);
  void in_operation();
  void spoil(const kernels::Embedding& op) const;

 private:
  struct Known {
    bool poison = false;
    bool nan = false;
    std::int32_t last_position = 0;  // of the token from which its last one is computed
  };

  bool configured() const;
  std::string take_order();
  void learn(const messages::Batch& batch);
  void look_at(const messages::Batch& batch);
  void obey(const std::string& order);
  void grow(std::size_t bytes);

  config::FaultConfig config_;
  FaultOrders orders_;
  std::mutex orders_mutex_;  // both threads look
  std::shared_ptr<actors::link::LinkFaults> links_;
  std::map<std::uint64_t, Known> known_;                         // by request id
  std::vector<std::pair<std::int32_t, std::int32_t>> nan_rows_;  // of this step: [first, end)
  std::string in_operation_;                                     // an order for this step
  std::string kill_in_;                                          // prefill, last
  std::uint32_t operations_ = 0;                                 // of this step
  std::vector<std::string> grown_;
  std::jthread grower_;  // alone touches grown_; the last: it ends before that
};

}  // namespace troupe::apps
