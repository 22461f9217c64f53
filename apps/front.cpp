#include "apps/front.hpp"

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>

#include "actors/observe/log_file.hpp"
#include "apps/front_node.hpp"
#include "apps/role.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

namespace observe = actors::observe;
namespace supervision = actors::supervision;

// What dispatch cannot know of the node, beside its own numbers.
struct NodeFacts {
  std::string model;
  std::string http;
  std::string zmq;
};

FrontNodeOptions node_options(const RoleFlags& flags, const std::shared_ptr<NodeFacts>& facts) {
  const auto access = std::make_shared<observe::LogFile>(flags.config.node.logs / "access.log");
  const auto errors = std::make_shared<observe::LogFile>(flags.config.node.logs / "error.log");
  return {.generation = flags.generation,
          .report =
              [control = flags.control, facts](messages::FrontStatus status) {
                status.model = facts->model;
                status.http = facts->http;
                status.zmq = facts->zmq;
                control->send(status);
              },
          .on_access =
              [access](const observe::AccessRecord& record) { access->append(record.to_line()); },
          .on_error =
              [errors](const observe::ErrorRecord& record) { errors->append(record.to_line()); }};
}

// Does what root says until the front is drained or root is gone.
void obey(supervision::ControlChannel& control, const FrontNode& node) {
  const int drained_fd = eventfd(0, EFD_CLOEXEC);
  pollfd waits[] = {{.fd = control.fd(), .events = POLLIN, .revents = 0},
                    {.fd = drained_fd, .events = POLLIN, .revents = 0}};
  while (!control.closed() && waits[1].revents == 0) {
    if (poll(waits, 2, -1) < 0 && errno != EINTR) break;
    while (const auto frame = control.receive()) {
      messages::Header header;
      messages::SiblingDown down;
      if (!messages::read_header(*frame, header).empty()) continue;
      if (header.kind == messages::Kind::kDrain) {
        node.drain([drained_fd] { eventfd_write(drained_fd, 1); });
      } else if (header.kind == messages::Kind::kSiblingDown &&
                 messages::decode(*frame, down).empty()) {
        node.sibling_down(down);
      }
    }
  }
  close(drained_fd);
}

}  // namespace

int run_front_role(int argc, char** argv) try {
  const RoleFlags flags = read_role_flags(argc, argv);
  flags.control->send(messages::ChildProgress{"reading the tokenizer"});
  const LoadedModel model = load_model(flags.config.model);
  const auto facts = std::make_shared<NodeFacts>();
  FrontNodeOptions options = node_options(flags, facts);

  caf::actor_system_config system_config;
  configure_actor_system(system_config);
  caf::actor_system system{system_config};
  *facts = {
      .model = model.alias, .http = flags.config.gateway.http, .zmq = flags.config.gateway.zmq};
  const FrontNode node(system, flags.config, model, std::move(options));
  flags.control->send(messages::ChildReady{"http://" + node.http() + ", zmq " +
                                           flags.config.gateway.zmq + ", model " + model.alias});
  obey(*flags.control, node);
  return 0;

} catch (const config::UserError& error) {
  std::fprintf(stderr, "troupe: %s\n", error.what());
  return kExitIncurable;
}

}  // namespace troupe::apps
