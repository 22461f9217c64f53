#include "apps/drain.hpp"

#include <cstdio>
#include <memory>

#include "apps/admin_client.hpp"

namespace troupe::apps {

void add_drain_command(CLI::App& app, int& exit_code) {
  CLI::App* command =
      app.add_subcommand("drain", "Let a node finish its running requests and end it");
  const auto node = std::make_shared<NodeChoice>();
  const auto as_json = std::make_shared<bool>(false);
  node->add_to(*command);
  command->add_flag("--json", *as_json, "One JSON object a line");
  command->callback([node, as_json, &exit_code] {
    AdminClient client(node->state_folder());
    client.send_line(R"({"command":"drain"})");
    const std::string begun = client.read_line(std::chrono::seconds(5));
    std::puts(*as_json ? begun.c_str() : "draining");
    std::fflush(stdout);
    // As long as node.drain_timeout_ms says: the node ends by itself.
    const std::string ended = client.read_line(std::chrono::seconds(0));
    std::puts(*as_json ? ended.c_str() : "drained");
    exit_code = 0;
  });
}

}  // namespace troupe::apps
