#include "apps/front.hpp"

#include <malloc.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>

#include "actors/observe/log_file.hpp"
#include "actors/observe/performance_log.hpp"
#include "apps/faults.hpp"
#include "apps/front_node.hpp"
#include "apps/role.hpp"
#include "apps/step_mark.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

namespace observe = actors::observe;
namespace supervision = actors::supervision;

FrontNodeOptions node_options(const RoleFlags& flags) {
  const auto access = std::make_shared<observe::LogFile>(flags.config.node.logs / "access.log");
  const auto errors = std::make_shared<observe::LogFile>(flags.config.node.logs / "error.log");
  const auto steps = std::make_shared<observe::LogFile>(flags.config.node.logs / "performance.log");
  const FrontFaults faults(flags.config, flags.name);
  return {.generation = flags.generation,
          .ledger_fd = flags.ledger_fd,
          .report =
              [control = flags.control, page = flags.beats, faults](
                  const messages::FrontStatus& status) {
                faults.at_beat();
                page->beats().in_flight = status.running;
                page->beats().waiting = status.queued;
                page->beats().loop.fetch_add(1, std::memory_order_relaxed);
                control->send(status);
              },
          .on_stage = [control = flags.control](
                          const messages::StageEvent& event) { control->send(event); },
          .on_moved = [control = flags.control](
                          const messages::WorksMoved& moved) { control->send(moved); },
          .on_access =
              [access](const observe::AccessRecord& record) { access->append(record.to_line()); },
          .on_error =
              [errors](const observe::ErrorRecord& record) { errors->append(record.to_line()); },
          .on_steps =
              [steps, errors](const std::string& worker,
                              const std::vector<messages::StepRecord>& records) {
                steps->append(observe::step_lines(worker, records));
                const std::string slow = observe::slow_step_lines(worker, records);
                if (!slow.empty()) errors->append(slow);
              },
          .link_faults = faults.links()};
}

// What a front takes over from the one before, and lets go when its grace is over, glibc would keep
// for the life of the process: 9 or 20 MB, by what the ledger held. Giving it back takes 0.02 ms
// where there is nothing to give.
constexpr int kGiveBackEveryMs = 2000;

void arm(int timer_fd, std::uint32_t after_ms) {
  itimerspec when{};
  when.it_value.tv_sec = after_ms / 1000;
  when.it_value.tv_nsec = static_cast<long>(after_ms % 1000) * 1'000'000 + 1;  // zero would disarm
  timerfd_settime(timer_fd, 0, &when, nullptr);
}

// Does what root says until the front is drained, its time for that is over, or root is gone. What
// then still runs ends with an error when the node is destroyed.
void obey(supervision::ControlChannel& control,
          const FrontNode& node,
          const std::filesystem::path& state) {
  const int drained_fd = eventfd(0, EFD_CLOEXEC);
  const int deadline_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
  pollfd waits[] = {{.fd = control.fd(), .events = POLLIN, .revents = 0},
                    {.fd = drained_fd, .events = POLLIN, .revents = 0},
                    {.fd = deadline_fd, .events = POLLIN, .revents = 0}};
  while (!control.closed() && waits[1].revents == 0 && waits[2].revents == 0) {
    const int events = poll(waits, 3, kGiveBackEveryMs);
    if (events < 0 && errno != EINTR) break;
    if (events == 0) malloc_trim(0);
    while (const auto frame = control.receive()) {
      messages::Header header;
      messages::SiblingDown down;
      messages::Drain drain;
      if (!messages::read_header(*frame, header).empty()) continue;
      if (header.kind == messages::Kind::kDrain && messages::decode(*frame, drain).empty()) {
        node.drain([drained_fd] { eventfd_write(drained_fd, 1); });
        arm(deadline_fd, drain.timeout_ms);
      } else if (header.kind == messages::Kind::kSiblingDown &&
                 messages::decode(*frame, down).empty()) {
        down.in_step = take_step_mark(state, down.child, down.generation);
        node.sibling_down(down);
      }
    }
  }
  close(deadline_fd);
  close(drained_fd);
}

void serve_front(int argc, char** argv) {
  const RoleFlags flags = read_role_flags(argc, argv);
  flags.control->send(messages::ChildProgress{"reading the tokenizer"});
  const LoadedModel model = load_model(flags.config.model);
  FrontNodeOptions options = node_options(flags);

  caf::actor_system_config system_config;
  configure_actor_system(system_config);
  caf::actor_system system{system_config};
  const FrontNode node(system, flags.config, model, std::move(options));
  flags.control->send(messages::ChildReady{"http://" + node.http() + ", zmq " +
                                           flags.config.gateway.zmq + ", model " + model.alias});
  obey(*flags.control, node, flags.config.node.state);
}

}  // namespace

int run_front_role(int argc, char** argv) {
  return run_role_main([&] { serve_front(argc, argv); });
}

}  // namespace troupe::apps
