// The sd_notify protocol over a real datagram socket.
#include "actors/supervision/service_manager.hpp"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <cstddef>
#include <cstring>
#include <filesystem>
#include <string>

using namespace troupe::actors::supervision;
using namespace std::chrono_literals;

namespace {

// A service manager's socket.
class Listener {
 public:
  explicit Listener(std::string name)
      : name_(std::move(name)), fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name_.data(), name_.size());
    if (name_.front() == '@') address.sun_path[0] = '\0';
    const auto bytes = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name_.size());
    BOOST_REQUIRE(bind(fd_.get(), reinterpret_cast<const sockaddr*>(&address), bytes) == 0);
  }

  ~Listener() { std::filesystem::remove(name_); }

  // The next message, or "" when none waits.
  std::string next() const {
    char bytes[512];
    const ssize_t count = recv(fd_.get(), bytes, sizeof bytes, MSG_DONTWAIT);
    return count < 0 ? "" : std::string(bytes, static_cast<std::size_t>(count));
  }

  // Leaves no room for a further message; how many it took. Senders have limits of their own, so
  // that one may not do.
  int fill() const {
    int taken = 0;
    for (int more = fill_from_one(); more > 0; more = fill_from_one()) taken += more;
    return taken;
  }

  const std::string& name() const { return name_; }

 private:
  int fill_from_one() const {
    const UniqueFd sender(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address{};
    socklen_t bytes = sizeof address;
    getsockname(fd_.get(), reinterpret_cast<sockaddr*>(&address), &bytes);
    const auto* to = reinterpret_cast<const sockaddr*>(&address);
    int taken = 0;
    while (sendto(sender.get(), "x", 1, MSG_DONTWAIT, to, bytes) == 1) ++taken;
    return taken;
  }

  std::string name_;
  UniqueFd fd_;
};

std::string own_name(const char* prefix) {
  return prefix + std::string("troupe-notify-") + std::to_string(getpid());
}

}  // namespace

BOOST_AUTO_TEST_SUITE(service_manager)

BOOST_AUTO_TEST_CASE(readiness_status_and_stopping_arrive_as_one_datagram_each) {
  for (const char* place : {"/tmp/", "@"}) {
    const Listener listener(own_name(place));
    ServiceManager manager(listener.name(), std::nullopt);
    manager.ready("serving\na model");
    manager.status("one worker is gone");
    manager.stopping(45s);
    manager.stopping(45s);
    BOOST_TEST(listener.next() == "READY=1\nSTATUS=serving a model");
    BOOST_TEST(listener.next() == "STATUS=one worker is gone");
    BOOST_TEST(listener.next() == "STOPPING=1\nSTATUS=draining\nEXTEND_TIMEOUT_USEC=45000000");
    BOOST_TEST(listener.next() == "");
  }
}

BOOST_AUTO_TEST_CASE(the_watchdog_is_fed_twice_in_its_time) {
  const Listener listener(own_name("@"));
  ServiceManager manager(listener.name(), 10s);
  int beats = 0;
  for (Milliseconds time = 0ms; time < 60s; time += 100ms) {
    manager.beat(TimePoint(time));
    if (listener.next() == "WATCHDOG=1") ++beats;
  }
  BOOST_TEST(beats == 12);
}

BOOST_AUTO_TEST_CASE(what_a_busy_manager_cannot_take_is_said_again_in_its_order) {
  const Listener listener(own_name("@"));
  ServiceManager manager(listener.name(), 10s);
  const int taken = listener.fill();
  BOOST_REQUIRE(taken > 0);
  manager.ready("serving");
  manager.status("one worker is gone");
  manager.status("both workers are here");
  manager.beat(TimePoint(1h));
  for (int i = 0; i < taken; ++i) BOOST_TEST(listener.next() == "x");
  BOOST_TEST(listener.next() == "");
  manager.beat(TimePoint(1h + 100ms));
  BOOST_TEST(listener.next() == "READY=1\nSTATUS=serving");
  BOOST_TEST(listener.next() == "STATUS=both workers are here");
  BOOST_TEST(listener.next() == "WATCHDOG=1");
  BOOST_TEST(listener.next() == "");
}

BOOST_AUTO_TEST_CASE(a_manager_that_listens_later_hears_of_readiness_then) {
  const std::string name = own_name("@");
  ServiceManager manager(name, std::nullopt);
  manager.ready("serving");
  const Listener listener(name);
  manager.beat(TimePoint(1h));
  BOOST_TEST(listener.next() == "READY=1\nSTATUS=serving");
}

BOOST_AUTO_TEST_CASE(without_a_watchdog_it_is_not_fed) {
  const Listener listener(own_name("@"));
  ServiceManager manager(listener.name(), std::nullopt);
  manager.beat(TimePoint(1h));
  BOOST_TEST(listener.next() == "");
}

BOOST_AUTO_TEST_CASE(without_a_service_manager_nobody_is_told) {
  for (const std::string& nowhere :
       {std::string(), std::string("/nowhere/at/all"), std::string(200, 'x')}) {
    ServiceManager manager(nowhere, 1s);
    manager.ready("serving");
    manager.beat(TimePoint(1h));
  }
}

BOOST_AUTO_TEST_CASE(the_environment_is_read_once_and_not_handed_to_children) {
  const Listener listener(own_name("@"));
  setenv("NOTIFY_SOCKET", listener.name().c_str(), 1);
  setenv("WATCHDOG_USEC", "2000000", 1);
  setenv("WATCHDOG_PID", std::to_string(getpid()).c_str(), 1);
  ServiceManager manager = ServiceManager::from_environment();
  BOOST_TEST(getenv("NOTIFY_SOCKET") == nullptr);
  BOOST_TEST(getenv("WATCHDOG_USEC") == nullptr);
  manager.beat(TimePoint(1h));
  BOOST_TEST(listener.next() == "WATCHDOG=1");
}

BOOST_AUTO_TEST_CASE(a_watchdog_of_another_process_is_not_fed) {
  const Listener listener(own_name("@"));
  setenv("NOTIFY_SOCKET", listener.name().c_str(), 1);
  setenv("WATCHDOG_USEC", "2000000", 1);
  setenv("WATCHDOG_PID", "1", 1);
  ServiceManager manager = ServiceManager::from_environment();
  manager.beat(TimePoint(1h));
  BOOST_TEST(listener.next() == "");
}

BOOST_AUTO_TEST_SUITE_END()
