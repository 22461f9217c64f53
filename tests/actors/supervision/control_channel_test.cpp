// The packets between root and a child.
#include "actors/supervision/control_channel.hpp"

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <boost/test/unit_test.hpp>
#include <csignal>

using namespace troupe;
using actors::supervision::bind_to_parent;
using actors::supervision::ControlChannel;
using actors::supervision::kControlFrameBytesMax;

BOOST_AUTO_TEST_SUITE(control_channel)

BOOST_AUTO_TEST_CASE(a_message_arrives_whole_with_its_generation) {
  auto [root, child] = ControlChannel::make_pair();
  BOOST_TEST(root.send(messages::SiblingDown{"worker-0", 7, "killed by SIGKILL"}, 42));
  BOOST_TEST(root.send(messages::Drain{1500}));
  messages::Header header;
  messages::SiblingDown down;
  const auto frame = child.receive();
  BOOST_REQUIRE(frame.has_value());
  BOOST_TEST(messages::read_header(*frame, header) == "");
  BOOST_TEST((header.kind == messages::Kind::kSiblingDown));
  BOOST_TEST(header.epoch == 42U);
  BOOST_TEST(messages::decode(*frame, down) == "");
  BOOST_TEST((down == messages::SiblingDown{"worker-0", 7, "killed by SIGKILL"}));
  BOOST_TEST(child.receive().has_value());
}

BOOST_AUTO_TEST_CASE(nothing_waiting_is_no_frame_and_not_the_end) {
  auto [root, child] = ControlChannel::make_pair();
  BOOST_TEST(!child.receive().has_value());
  BOOST_TEST(!child.closed());
}

BOOST_AUTO_TEST_CASE(what_was_sent_before_the_other_side_left_is_still_received) {
  auto [root, child] = ControlChannel::make_pair();
  root.send(messages::Drain{});
  { const ControlChannel gone = std::move(root); }
  BOOST_TEST(child.receive().has_value());
  BOOST_TEST(!child.receive().has_value());
  BOOST_TEST(child.closed());
  BOOST_TEST(!child.send(messages::ChildReady{}));
}

BOOST_AUTO_TEST_CASE(a_reader_that_sleeps_makes_send_fail_instead_of_wait) {
  auto [root, child] = ControlChannel::make_pair();
  bool sent = true;
  for (int i = 0; i < 1'000'000 && sent; ++i) sent = root.send(messages::Drain{});
  BOOST_TEST(!sent);
}

BOOST_AUTO_TEST_CASE(a_packet_beyond_the_bound_is_dropped_and_the_next_one_arrives) {
  auto [root, child] = ControlChannel::make_pair();
  BOOST_TEST(root.send_frame(std::string(kControlFrameBytesMax + 1, 'x')));
  BOOST_TEST(root.send_frame(std::string(kControlFrameBytesMax, 'y')));
  const auto frame = child.receive();
  BOOST_REQUIRE(frame.has_value());
  BOOST_TEST(*frame == std::string(kControlFrameBytesMax, 'y'));
}

BOOST_AUTO_TEST_CASE(a_child_knows_its_parent_from_the_channel) {
  auto [root, child] = ControlChannel::make_pair();
  BOOST_TEST(child.parent_pid() == getpid());
  const pid_t pid = fork();
  if (pid == 0) {
    bind_to_parent(child.parent_pid());
    _exit(child.parent_pid() == getppid() ? 7 : 8);
  }
  int status = 0;
  BOOST_TEST(waitpid(pid, &status, 0) == pid);
  BOOST_TEST(WEXITSTATUS(status) == 7);
}

BOOST_AUTO_TEST_CASE(a_child_whose_parent_is_another_process_ends_at_once) {
  const pid_t pid = fork();
  if (pid == 0) {
    bind_to_parent(getpid());
    _exit(7);
  }
  int status = 0;
  BOOST_TEST(waitpid(pid, &status, 0) == pid);
  BOOST_TEST(WEXITSTATUS(status) == EXIT_FAILURE);
}

BOOST_AUTO_TEST_SUITE_END()
