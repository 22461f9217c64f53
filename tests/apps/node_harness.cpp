#include "tests/apps/node_harness.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace troupe::tests {
namespace {

// Long enough for a sanitized build on a busy machine; only a failure waits for it.
constexpr int kPatienceMs = 30'000;

void wait_readable(int fd, const char* what) {
  pollfd wait{fd, POLLIN, 0};
  if (poll(&wait, 1, kPatienceMs) != 1) throw std::runtime_error(std::string("no ") + what);
}

sockaddr_un address_of(const std::filesystem::path& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
  return address;
}

}  // namespace

std::string LineReader::next() {
  for (;;) {
    const std::size_t end = buffer_.find('\n');
    if (end != std::string::npos) {
      std::string line = buffer_.substr(0, end);
      buffer_.erase(0, end + 1);
      return line;
    }
    wait_readable(fd_.get(), "further line came");
    char bytes[4096];
    const ssize_t count = read(fd_.get(), bytes, sizeof bytes);
    if (count <= 0) return "<end>";
    buffer_.append(bytes, static_cast<std::size_t>(count));
  }
}

std::string LineReader::next_with(const std::string& part) {
  std::string seen;
  for (;;) {
    std::string line = next();
    if (line.find(part) != std::string::npos) return line;
    seen += line + "\n";
    if (line == "<end>") throw std::runtime_error("no line with '" + part + "' in:\n" + seen);
  }
}

std::string LineReader::all() {
  std::string text;
  for (std::string line = next(); line != "<end>"; line = next()) text += line + "\n";
  return text;
}

bool LineReader::has_more_now() const {
  pollfd wait{fd_.get(), POLLIN, 0};
  return !buffer_.empty() || poll(&wait, 1, 0) == 1;
}

void FakeChild::tell(const std::string& command) {
  const std::string line = command + "\n";
  if (write(reports.fd(), line.data(), line.size()) < 0) throw std::runtime_error("child is gone");
  const bool ends_child = command.starts_with("exit ") || command.starts_with("signal ") ||
                          command.starts_with("answer ");
  if (ends_child) return;
  reports.next_with("done " + command);
}

struct Command::Pipes {
  Pipes() {
    if (pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) throw std::bad_alloc();
  }

  int out[2] = {};
  int err[2] = {};
};

Command::Command(const std::vector<std::string>& arguments, const std::filesystem::path& folder)
    : Command(arguments, folder, Pipes()) {}

Command::Command(const std::vector<std::string>& arguments,
                 const std::filesystem::path& folder,
                 Pipes pipes)
    : out(UniqueFd(pipes.out[0])), err(UniqueFd(pipes.err[0])) {
  std::vector<const char*> pointers{"troupe"};
  for (const std::string& argument : arguments) pointers.push_back(argument.c_str());
  pointers.push_back(nullptr);
  pid_ = fork();
  if (pid_ == 0) {
    dup2(pipes.out[1], STDOUT_FILENO);
    dup2(pipes.err[1], STDERR_FILENO);
    if (chdir(folder.c_str()) != 0) _exit(96);
    execv(TROUPE_FAKE_BINARY, const_cast<char* const*>(pointers.data()));
    _exit(95);
  }
  close(pipes.out[1]);
  close(pipes.err[1]);
}

Command::~Command() {
  if (pid_ <= 0) return;
  kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
}

void Command::signal(int signal) const { kill(pid_, signal); }

int Command::exit_code() {
  // Standard error ends with the last process of the node, so waiting cannot hang unnoticed.
  err.all();
  int status = 0;
  waitpid(pid_, &status, 0);
  pid_ = -1;
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

NotifySocket::NotifySocket(std::filesystem::path path)
    : path_(std::move(path)), fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
  const sockaddr_un address = address_of(path_);
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("cannot listen for the node");
  }
}

std::string NotifySocket::next() const {
  wait_readable(fd_.get(), "message came");
  char bytes[512];
  const ssize_t count = recv(fd_.get(), bytes, sizeof bytes, 0);
  return count < 0 ? "<end>" : std::string(bytes, static_cast<std::size_t>(count));
}

NodeHarness::NodeHarness() {
  char name[] = "/tmp/troupe-node-XXXXXX";
  folder_ = mkdtemp(name);
  std::ofstream(folder_ / "model.gguf") << "no model";
  const sockaddr_un address = address_of(folder_ / "test.sock");
  listener_ = UniqueFd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      listen(listener_.get(), 64) != 0) {
    throw std::runtime_error("cannot listen for children");
  }
  setenv("TROUPE_TEST_SOCKET", (folder_ / "test.sock").c_str(), 1);
}

NodeHarness::~NodeHarness() {
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::unique_ptr<Command> NodeHarness::command(const std::vector<std::string>& arguments) const {
  return std::make_unique<Command>(arguments, folder_);
}

std::unique_ptr<Command> NodeHarness::serve(std::vector<std::string> arguments) const {
  arguments.insert(arguments.begin(), {"serve", "--model", "model.gguf"});
  return command(arguments);
}

FakeChild NodeHarness::next_child() const {
  wait_readable(listener_.get(), "further child was started");
  LineReader reports(UniqueFd(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC)));
  std::istringstream started(reports.next());
  FakeChild child{.reports = std::move(reports)};
  std::string word;
  started >> word >> child.name >> child.generation >> child.pid;
  return child;
}

std::pair<FakeChild, FakeChild> NodeHarness::next_worker_and_front() const {
  FakeChild first = next_child();
  FakeChild second = next_child();
  if (first.name == "front") std::swap(first, second);
  return {std::move(first), std::move(second)};
}

std::pair<FakeChild, FakeChild> NodeHarness::bring_up() const {
  auto [worker, front] = next_worker_and_front();
  worker.tell("ready");
  front.tell("ready");
  front.tell("status");
  return {std::move(worker), std::move(front)};
}

std::vector<std::string> NodeHarness::restart_log() const {
  std::vector<std::string> lines;
  std::ifstream in(folder_ / "logs" / "restart.log");
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

UniqueFd NodeHarness::connect_admin() const {
  const sockaddr_un address = address_of(folder_ / "state" / "admin.sock");
  UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    throw std::runtime_error("no admin socket");
  }
  return fd;
}

std::string NodeHarness::ask(const std::string& request) const {
  UniqueFd admin = connect_admin();
  const std::string line = request + "\n";
  if (send(admin.get(), line.data(), line.size(), MSG_NOSIGNAL) < 0) return "<gone>";
  return LineReader(std::move(admin)).next();
}

nlohmann::json NodeHarness::status() const {
  return nlohmann::json::parse(ask(R"({"command":"status"})"));
}

std::string events_of(const NodeHarness& node, const std::string& child) {
  std::string events;
  for (const std::string& line : node.restart_log()) {
    const nlohmann::json record = nlohmann::json::parse(line);
    if (record["child"] == child) events += record["event"].get<std::string>() + " ";
  }
  return events;
}

nlohmann::json last_event(const NodeHarness& node, const std::string& event) {
  nlohmann::json last;
  for (const std::string& line : node.restart_log()) {
    const nlohmann::json record = nlohmann::json::parse(line);
    if (record["event"] == event) last = record;
  }
  return last;
}

}  // namespace troupe::tests
