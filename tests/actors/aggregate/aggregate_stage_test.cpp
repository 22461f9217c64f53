// The aggregate stage: one answer that cannot be folded or sent ends alone. In CAF's testing
// scheduler, before a port that only takes notes.
#include <boost/test/unit_test.hpp>
#include <caf/scheduler/test_coordinator.hpp>
#include <memory>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "actors/aggregate/aggregate_actor.hpp"
#include "messages/type_ids.hpp"
#include "model/model_file.hpp"
#include "tests/support/gguf_builder.hpp"

namespace troupe::actors::aggregate {
namespace {

using messages::ChunkKind;

constexpr std::uint64_t kToGateway = 1;

struct Fixture {
  Fixture() {
    config.add_message_types<caf::id_block::troupe>();
    config.set("scheduler.policy", caf::atom("testing"));
    system = std::make_unique<caf::actor_system>(config);
    scheduler = dynamic_cast<caf::scheduler::test_coordinator*>(&system->scheduler());
    const auto notes = [](caf::event_based_actor*, Fixture* to) -> caf::behavior {
      return {[to](std::uint64_t socket, const std::string&, const std::string& frame) {
        to->note(socket, frame);
      }};
    };
    port = system->spawn(notes, this);
    const std::vector<std::byte> bytes = tests::GgufBuilder().byte_tokenizer({"<|end|>"}).build();
    const auto tokenizer =
        std::make_shared<const model::Tokenizer>(model::ModelFile::parse(bytes, "tiny"));
    const auto fault = [](const messages::ReplyChunk& chunk) {
      if (chunk.text == "x") throw std::runtime_error("bad chunk");
    };
    stage = supervision::spawn_stage(*system,
                                     aggregate_stage(std::make_shared<Aggregator>(tokenizer),
                                                     tokenizer,
                                                     {.to_gateway = {port, kToGateway, 1},
                                                      .to_dispatch = {port, kToGateway + 1, 1},
                                                      .chunk_probe = fault}),
                                     std::make_shared<supervision::StageTable>());
    send(caf::reset_atom_v, std::uint64_t{1});
  }

  ~Fixture() {
    for (const caf::actor& actor : {stage, port}) {
      caf::anon_send_exit(actor, caf::exit_reason::user_shutdown);
    }
    stage = port = nullptr;
    scheduler->run();
  }

  void note(std::uint64_t socket, const std::string& frame) {
    if (socket != kToGateway) {
      messages::ReplyFinished one;
      BOOST_REQUIRE_EQUAL(messages::decode(frame, one), "");
      return finished.push_back(one);
    }
    messages::ReplyChunks some;
    BOOST_REQUIRE_EQUAL(messages::decode(frame, some), "");
    for (auto& chunk : some.chunks) chunks.push_back(std::move(chunk));
  }

  template <class... Parts>
  void send(Parts&&... parts) {
    caf::anon_send(stage, std::forward<Parts>(parts)...);
    scheduler->run();
  }

  caf::actor_system_config config;
  std::unique_ptr<caf::actor_system> system;
  caf::scheduler::test_coordinator* scheduler = nullptr;
  std::vector<messages::ReplyChunk> chunks;
  std::vector<messages::ReplyFinished> finished;
  caf::actor port;
  caf::actor stage;
};

BOOST_FIXTURE_TEST_SUITE(aggregate_stage_suite, Fixture)

BOOST_AUTO_TEST_CASE(a_chunk_that_cannot_be_sent_ends_its_answer_alone_and_no_incarnation) {
  for (const std::uint64_t id : {1UL, 2UL}) {
    send(messages::ReplyPlan{.request_id = id, .prompt_tokens = {'H', 'i'}});
  }
  chunks.clear();
  const auto event = [](std::uint64_t id, char byte) {
    return messages::TokenEvent{
        .request_id = id, .attempt = 1, .position = 0, .token = static_cast<unsigned char>(byte)};
  };
  send(messages::JournaledTokens{{event(1, 'x'), event(2, 'b')}});
  BOOST_REQUIRE_EQUAL(chunks.size(), 2U);
  BOOST_TEST((chunks[0].kind == ChunkKind::kError));
  BOOST_TEST(chunks[0].request_id == 1U);
  BOOST_TEST((chunks[0].failure.code == messages::FailureCode::kInternal));
  BOOST_TEST(chunks[1].text == "b");
  BOOST_REQUIRE_EQUAL(finished.size(), 1U);
  BOOST_TEST(finished[0].request_id == 1U);
  BOOST_TEST((finished[0].reason == messages::FinishReason::kError));
  // The same incarnation goes on.
  send(messages::JournaledTokens{{{.request_id = 2, .attempt = 1, .position = 1, .token = 'c'}}});
  BOOST_TEST(chunks.back().text == "c");
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::aggregate
