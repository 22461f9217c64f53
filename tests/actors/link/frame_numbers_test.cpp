// Numbers show what a link has lost; and what a test has it lose.
#include "actors/link/frame_numbers.hpp"

#include <boost/test/unit_test.hpp>

#include "actors/link/link_faults.hpp"
#include "messages/cancel.hpp"
#include "messages/wire_kinds.hpp"

namespace troupe::actors::link {
namespace {

using namespace std::chrono_literals;

struct TwoEnds {
  // What `sender` would send to the other end now.
  std::string sent(std::uint64_t epoch = 1) {
    std::string frame = messages::encode(messages::CancelRequest{.request_id = 7}, epoch);
    sender.stamp("peer", frame);
    return frame;
  }

  bool follows(const std::string& frame, const std::string& peer = "peer") {
    std::string_view view = frame;
    return receiver.take(peer, view);
  }

  FrameNumbers sender{FirstNumber::kAny};
  FrameNumbers receiver{FirstNumber::kOne};
};

BOOST_FIXTURE_TEST_SUITE(frame_numbers, TwoEnds)

BOOST_AUTO_TEST_CASE(a_frame_arrives_as_it_was_before_it_got_its_number) {
  const std::string plain = messages::encode(messages::CancelRequest{.request_id = 7}, 1);
  const std::string frame = sent();
  BOOST_TEST(frame.size() == plain.size() + kNumberBytes);
  std::string_view view = frame;
  BOOST_TEST(receiver.take("peer", view));
  BOOST_TEST(view == plain);
}

BOOST_AUTO_TEST_CASE(the_frame_after_a_lost_one_shows_it_and_the_next_one_is_as_good_as_any) {
  BOOST_TEST(follows(sent()));
  BOOST_TEST(follows(sent()));
  sent();
  BOOST_TEST(!follows(sent()));
  BOOST_TEST(follows(sent()));
}

BOOST_AUTO_TEST_CASE(who_expects_all_of_a_sender_misses_its_first_frames_too) {
  sent();
  BOOST_TEST(!follows(sent()));
  BOOST_TEST(follows(sent()));
  sender = FrameNumbers(FirstNumber::kAny);  // a new front, whose first frame is lost as well
  sent(2);
  BOOST_TEST(!follows(sent(2)));
  BOOST_TEST(follows(sent(2)));
}

BOOST_AUTO_TEST_CASE(who_comes_late_may_begin_with_the_first_frame_that_it_hears) {
  receiver = FrameNumbers(FirstNumber::kAny);
  for (int i = 0; i < 5; ++i) sent();
  BOOST_TEST(follows(sent()));
  BOOST_TEST(follows(sent()));
}

BOOST_AUTO_TEST_CASE(each_peer_and_each_incarnation_of_a_sender_counts_for_itself) {
  receiver = FrameNumbers(FirstNumber::kAny);
  BOOST_TEST(follows(sent(), "a"));
  BOOST_TEST(follows(sent(), "b"));
  BOOST_TEST(!follows(sent(), "a"));
  sender = FrameNumbers(FirstNumber::kAny);  // a new front behind the same address
  BOOST_TEST(follows(sent(2), "a"));
  BOOST_TEST(follows(sent(2), "a"));
}

BOOST_AUTO_TEST_CASE(a_frame_without_a_number_follows_nothing_and_is_left_as_it_is) {
  std::string_view view = "rubbish";
  BOOST_TEST(!receiver.take("peer", view));
  BOOST_TEST(view == "rubbish");
}

BOOST_AUTO_TEST_CASE(dead_peers_are_forgotten_before_one_that_talks) {
  receiver = FrameNumbers(FirstNumber::kAny);
  for (int i = 0; i < 5'000; ++i) {
    BOOST_REQUIRE(follows(sent()));
    follows(sent(), "dead " + std::to_string(i));
    sent();
    BOOST_REQUIRE(!follows(sent()));  // it is still known
  }
}

BOOST_AUTO_TEST_SUITE_END()

struct Port {
  bool takes(const std::string& frame, SocketId socket = 0, Way way = Way::kOut) {
    return faults.takes({.name = socket == 0 ? "one" : "two"}, socket, way, "peer", frame, now);
  }

  LinkFaults faults;
  LinkFaults::Time now{1h};
};

BOOST_FIXTURE_TEST_SUITE(link_faults, Port)

BOOST_AUTO_TEST_CASE(as_many_frames_are_lost_as_were_ordered_of_that_socket_and_way) {
  BOOST_TEST(faults.order("drop one out 2", now));
  BOOST_TEST(!takes("a", 1));
  BOOST_TEST(!takes("a", 0, Way::kIn));
  BOOST_TEST(takes("a"));
  BOOST_TEST(takes("b"));
  BOOST_TEST(!takes("c"));
  BOOST_TEST(!faults.holds());
}

BOOST_AUTO_TEST_CASE(delayed_frames_go_on_in_order_and_none_overtakes_them) {
  BOOST_TEST(faults.order("delay one in 100", now));
  BOOST_TEST(takes("a", 0, Way::kIn));
  now += 99ms;
  BOOST_TEST(takes("b", 0, Way::kIn));
  BOOST_TEST(faults.take_due(now).empty());
  now += 1ms;
  BOOST_TEST(takes("c", 0, Way::kIn));  // those before it have not gone yet
  const std::vector<HeldFrame> due = faults.take_due(now);
  BOOST_REQUIRE(due.size() == 3U);
  BOOST_TEST(due[0].frame == "a");
  BOOST_TEST(due[2].frame == "c");
  BOOST_TEST(due[0].peer == "peer");
  BOOST_TEST(!faults.holds());
  BOOST_TEST(!takes("d", 0, Way::kIn));
}

BOOST_AUTO_TEST_CASE(other_orders_are_left_to_others) {
  for (const char* text : {"", "exit", "drop one", "break one out 1", "drop one into 1"}) {
    BOOST_TEST(!faults.order(text, now));
  }
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::link
