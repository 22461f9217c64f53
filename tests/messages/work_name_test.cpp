// Whose work a frame is, when the rest of it cannot be read.
#include <boost/test/unit_test.hpp>
#include <random>

#include "messages/wire_kinds.hpp"

namespace troupe::messages {
namespace {

const WorkItem kItem{.front_epoch = 9,
                     .request_id = (std::uint64_t{7} << 40) + 3,
                     .attempt = 2,
                     .prompt_tokens = {1, 2, 3}};

bool has_the_name(const WorkItem& item) {
  return item.front_epoch == kItem.front_epoch && item.request_id == kItem.request_id &&
         item.attempt == kItem.attempt;
}

BOOST_AUTO_TEST_SUITE(work_name)

BOOST_AUTO_TEST_CASE(a_name_is_read_though_a_container_is_over_its_limit) {
  WorkItem item = kItem;
  item.sampling.stop.resize(20'000);
  const std::string frame = encode(item, 9);
  WorkItem found;
  BOOST_TEST(decode(frame, found) != "");
  WorkItem name;
  BOOST_TEST(read_work_name(frame, name));
  BOOST_TEST(has_the_name(name));
}

BOOST_AUTO_TEST_CASE(a_name_is_read_of_a_frame_that_is_cut_behind_it) {
  const std::string frame = encode(kItem, 9);
  const std::size_t behind = frame.find("prompt_tokens");
  WorkItem name;
  BOOST_TEST(read_work_name(frame.substr(0, behind + 20), name));
  BOOST_TEST(has_the_name(name));
}

BOOST_AUTO_TEST_CASE(what_is_cut_before_its_name_or_is_other_than_work_has_none) {
  const std::string frame = encode(kItem, 9);
  WorkItem name;
  for (std::size_t size = 0; size < frame.find("attempt"); ++size) {
    BOOST_TEST(!read_work_name(frame.substr(0, size), name));
  }
  BOOST_TEST(!read_work_name(encode(CancelWork{.front_epoch = 9, .attempt = 2}, 9), name));
}

BOOST_AUTO_TEST_CASE(a_name_that_lies_deeper_is_none) {
  std::string frame;
  append_header(frame, {.kind = Kind::kWorkItem});
  frame += std::string("\x81\xA8sampling\x83", 11);
  frame +=
      "\xAB"
      "front_epoch\x09\xAA"
      "request_id\x07\xA7"
      "attempt\x02";
  WorkItem name;
  BOOST_TEST(!read_work_name(frame, name));
  BOOST_TEST(!read_work_name(frame.substr(0, 16) + std::string(100'000, '\x91'), name));
}

BOOST_AUTO_TEST_CASE(random_damage_never_does_more_than_hide_the_name) {
  std::mt19937 random{20261122};
  const std::string frame = encode(kItem, 1);
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = frame;
    for (int flips = 0; flips < 3; ++flips)
      damaged[random() % damaged.size()] = static_cast<char>(random());
    WorkItem name;
    (void)read_work_name(damaged, name);
  }
  WorkItem name;
  BOOST_TEST(read_work_name(frame, name));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::messages
