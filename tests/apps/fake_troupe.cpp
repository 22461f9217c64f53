// The binary for tests of root: the real serve, root, status and drain, with children that do what
// the test tells them over a UNIX socket (TROUPE_TEST_SOCKET), one line each way.
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <string>
#include <string_view>

#include "actors/supervision/beat_page.hpp"
#include "actors/supervision/control_channel.hpp"
#include "apps/drain.hpp"
#include "apps/root.hpp"
#include "apps/serve.hpp"
#include "apps/status.hpp"
#include "apps/top.hpp"
#include "config/user_error.hpp"

namespace {

using namespace troupe;
using actors::supervision::ControlChannel;

int connect_to_test() {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, std::getenv("TROUPE_TEST_SOCKET"), sizeof address.sun_path - 1);
  const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) _exit(99);
  return fd;
}

class FakeChild {
 public:
  FakeChild(int argc, char** argv)
      : control_(std::stoi(argument(argc, argv, "--control-fd"))),
        page_(std::stoi(argument(argc, argv, "--beat-fd"))) {
    actors::supervision::bind_to_parent(control_.parent_pid());
    sigset_t term;
    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_BLOCK, &term, nullptr);
    signals_ = signalfd(-1, &term, SFD_CLOEXEC);
    test_ = connect_to_test();
    report(std::string("started ") + argv[1] + " " + argument(argc, argv, "--generation") + " " +
           std::to_string(getpid()));
  }

  [[noreturn]] void live() {
    for (;;) {
      pollfd waits[] = {{test_, POLLIN, 0}, {signals_, POLLIN, 0}, {control_.fd(), POLLIN, 0}};
      if (control_.closed()) waits[2].fd = -1;
      poll(waits, 3, beats_ ? 50 : -1);
      if (beats_) page_.beats().loop.fetch_add(1);
      // Whatever was sent before the signal is told before it.
      if (waits[2].revents != 0 || waits[1].revents != 0) handle_frames();
      if (waits[1].revents != 0) handle_term();
      if (waits[0].revents != 0) handle_commands();
    }
  }

 private:
  static std::string argument(int argc, char** argv, std::string_view name) {
    for (int i = 1; i + 1 < argc; ++i) {
      if (argv[i] == name) return argv[i + 1];
    }
    return "";
  }

  void report(std::string line) const {
    line += '\n';
    if (write(test_, line.data(), line.size()) < 0) _exit(98);
  }

  void handle_term() {
    signalfd_siginfo signal{};
    (void)!read(signals_, &signal, sizeof signal);
    report("term");
    if (!ignores_term_) _exit(0);
  }

  void handle_frames() {
    while (const auto frame = control_.receive()) {
      messages::Header header;
      messages::SiblingDown down;
      messages::Drain drain;
      messages::read_header(*frame, header);
      if (header.kind == messages::Kind::kDrain && messages::decode(*frame, drain).empty()) {
        report("drain " + std::to_string(drain.timeout_ms));
      }
      if (header.kind == messages::Kind::kAdmit && reports_admission_) report("admitted");
      if (header.kind == messages::Kind::kSiblingDown && messages::decode(*frame, down).empty()) {
        control_.send(messages::WorksMoved{
            .child = down.child, .generation = down.generation, .requeued = 3, .failed = 1});
        report("sibling " + down.child + " " + std::to_string(down.generation) + " " + down.reason +
               (down.by_work ? " by its work" : "") + (down.gone ? " for good" : ""));
      }
    }
  }

  void handle_commands() {
    char bytes[4096];
    const ssize_t count = read(test_, bytes, sizeof bytes);
    if (count <= 0) _exit(97);
    commands_.append(bytes, static_cast<std::size_t>(count));
    for (std::size_t end; (end = commands_.find('\n')) != std::string::npos;) {
      const std::string command = commands_.substr(0, end);
      commands_.erase(0, end + 1);
      obey(command);
    }
  }

  void obey(const std::string& command) {
    if (command == "ready") control_.send(messages::ChildReady{"detail", "fake 1:3f800000"});
    if (command.starts_with("answer ")) {
      control_.send(messages::ChildReady{"detail", command.substr(7)});
    }
    if (command == "status") control_.send(front_status());
    if (command == "garbage") control_.send_frame("not a frame");
    if (command == "ignore_term") ignores_term_ = true;
    if (command == "tell_admission") reports_admission_ = true;
    if (command == "beat") {
      beats_ = true;
      page_.beats().loop.fetch_add(1);  // judged from now on
    }
    if (command == "work") page_.beats().in_flight = 3;
    if (command == "step") page_.beats().makes_steps = 1;
    if (command == "begin_step") page_.beats().steps.fetch_add(1);
    if (command == "rest") page_.beats().in_flight = 0;
    if (command == "hang") compute_for_ever();
    if (command.starts_with("hold ")) hold(std::stoul(command.substr(5)));
    if (command.starts_with("progress ")) {
      control_.send(messages::ChildProgress{command.substr(9)});
    }
    if (command.starts_with("stderr ")) std::fprintf(stderr, "%s\n", command.c_str() + 7);
    if (command.starts_with("exit ")) _exit(std::stoi(command.substr(5)));
    if (command.starts_with("signal ")) die_by(std::stoi(command.substr(7)));
    report("done " + command);
  }

  // The default action: a sanitizer's handler would make an exit code of the signal.
  static void die_by(int signal) {
    std::signal(signal, SIG_DFL);
    raise(signal);
  }

  [[noreturn]] void compute_for_ever() {
    report("done hang");
    page_.beats().computing = 1;
    std::atomic<std::uint64_t> turns = 0;
    for (;;) turns.fetch_add(1);
  }

  void hold(std::size_t mebibytes) {
    // Written, so that the memory is there.
    held_.assign(mebibytes << 20U, 'x');
  }

  static messages::FrontStatus front_status() {
    return {.accepted = 7,
            .finished = 4,
            .refused = 3,
            .queued = 2,
            .running = 1,
            .generated_tokens = 99,
            .ready = true,
            .model = "fake-model",
            .http = "127.0.0.1:1234",
            .zmq = "tcp://127.0.0.1:4321",
            .numerics_id = "fake-numerics"};
  }

  ControlChannel control_;
  actors::supervision::BeatPage page_;
  bool beats_ = false;
  std::string held_;
  int test_ = -1;
  int signals_ = -1;
  bool ignores_term_ = false;
  bool reports_admission_ = false;
  std::string commands_;
};

int run_command(int argc, char** argv) {
  CLI::App app{"troupe"};
  int exit_code = 0;
  app.require_subcommand(1);
  apps::add_serve_command(app, exit_code);
  apps::add_status_command(app, exit_code);
  apps::add_top_command(app, exit_code);
  apps::add_drain_command(app, exit_code);
  CLI11_PARSE(app, argc, argv);
  return exit_code;
}

}  // namespace

int main(int argc, char** argv) {
  const std::string_view role = argc > 1 ? argv[1] : "";
  try {
    if (role == "front" || role.starts_with("worker-")) FakeChild(argc, argv).live();
    return role == "root" ? apps::run_root_role(argc, argv) : run_command(argc, argv);
  } catch (const config::UserError& error) {
    std::fprintf(stderr, "troupe: %s\n", error.what());
    return 1;
  }
}
