// The gateway as the node runs it: CAF, the real links, a real HTTP port, a pipeline of one actor.
#include "actors/gateway/gateway_actor.hpp"

#include <boost/test/unit_test.hpp>
#include <future>

#include "messages/wire_kinds.hpp"
#include "tests/actors/gateway/core_fixture.hpp"
#include "tests/actors/gateway/http_client.hpp"

namespace troupe::actors::gateway::tests {
namespace {

namespace client = messages::client;

struct SystemConfig : caf::actor_system_config {
  SystemConfig() { add_message_types<caf::id_block::troupe>(); }
};

// Answers every request with "Hi", unless it should stay silent.
caf::behavior pipeline(caf::event_based_actor* self, caf::actor gateway, bool silent) {
  return {
      [=](const messages::GenerateRequest& request) {
        self->send(gateway, messages::ReplyChunks{{accepted_chunk(request.request_id)}});
        if (silent) return;
        self->send(gateway, messages::ReplyChunks{{text_chunk(request.request_id, "Hi")}});
        self->send(gateway, messages::ReplyChunks{{final_chunk(request.request_id)}});
      },
      [=](const messages::CancelRequest& cancel) {
        self->send(gateway,
                   messages::ReplyChunks{
                       {error_chunk(cancel.request_id, messages::FailureCode::kCancelled)}});
      },
  };
}

enum Socket : link::SocketId { kToPipeline, kPipeline, kClients, kClient, kSockets };

std::vector<link::SocketSpec> specs() {
  using link::SocketType;
  std::vector<link::SocketSpec> all(kSockets);
  const auto end = [](const char* name, SocketType type, bool bind, const char* endpoint) {
    return link::SocketSpec{
        .name = name, .type = type, .bind = bind, .endpoint = endpoint, .frame_bytes_max = 1 << 20};
  };
  all[kToPipeline] = end("test.out", SocketType::kPush, true, "inproc://test-pipeline");
  all[kPipeline] = end("test.in", SocketType::kPull, false, "inproc://test-pipeline");
  all[kClients] = end("test.clients", SocketType::kRouter, true, "inproc://test-clients");
  all[kClient] = end("test.client", SocketType::kDealer, false, "inproc://test-clients");
  all[kClient].identity = "me";
  return all;
}

struct ActorFixture {
  // `failing_starts`: so many times no incarnation can be made.
  explicit ActorFixture(bool silent = false,
                        std::vector<RestoredAnswer> restored = {},
                        int failing_starts = 0) {
    port = link::spawn_port(system, specs(), {});
    const link::Sender out(port, kToPipeline, kEpoch);
    GatewayStage stage = gateway_stage({.config = {.http = "127.0.0.1:0", .client_credit = 4},
                                        .front_epoch = kEpoch,
                                        .model = "tiny",
                                        .context_max = 2048,
                                        .started_unix = 1'700'000'000,
                                        .metrics = std::make_shared<observe::Metrics>(),
                                        .to_preprocess = out,
                                        .to_dispatch = out,
                                        .clients = link::Sender(port, kClients, kEpoch),
                                        .restored = std::move(restored),
                                        .places = {[left = failing_starts](auto) mutable {
                                          if (left-- > 0) throw std::runtime_error("no start");
                                        }}});
    http_port = stage.http_port;
    gateway = supervision::spawn_stage(
        system, std::move(stage.spec), std::make_shared<supervision::StageTable>());
    for (int start = 0; start <= failing_starts; ++start) {
      self->send(gateway, caf::reset_atom_v, std::uint64_t{1});
    }
    stage.open(gateway);
    const auto behind = system.spawn(pipeline, gateway, silent);
    std::vector<link::SocketRoutes> routes(kSockets);
    routes[kPipeline].handlers = {
        {messages::Kind::kGenerateRequest, link::deliver_to<messages::GenerateRequest>(behind)},
        {messages::Kind::kCancelRequest, link::deliver_to<messages::CancelRequest>(behind)}};
    routes[kClients].raw = link::deliver_raw_to(gateway);
    routes[kClient].handlers[messages::Kind::kFinal] = [this](auto, std::string_view frame) {
      client::Final last;
      auto error = messages::decode(frame, last);
      finished.set_value(last);
      return error;
    };
    for (const auto kind : {messages::Kind::kAccepted, messages::Kind::kChunk}) {
      routes[kClient].handlers[kind] = [](auto, auto) { return messages::WireError{}; };
    }
    link::start_port(port, std::move(routes));
    self->send(gateway, messages::NodeReadiness{.ready = true, .numerics_id = "n1"});
  }

  ~ActorFixture() {
    self->send_exit(gateway, caf::exit_reason::user_shutdown);
    self->wait_for(gateway);
    self->send_exit(port, caf::exit_reason::user_shutdown);
    self->wait_for(port);
  }

  std::uint64_t open_calls() {
    std::uint64_t open = 0;
    self->request(gateway, caf::infinite, caf::get_atom_v)
        .receive([&](std::uint64_t count) { open = count; },
                 [](const caf::error&) { BOOST_FAIL("no answer"); });
    return open;
  }

  SystemConfig config;
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  caf::actor port;
  caf::actor gateway;
  std::uint16_t http_port = 0;
  std::promise<client::Final> finished;
};

struct SilentFixture : ActorFixture {
  SilentFixture() : ActorFixture(true) {}
};

struct RestoredFixture : ActorFixture {
  RestoredFixture()
      : ActorFixture(
            true,
            {{{.request_id = 5, .origin = {.door = messages::Door::kZmq, .peer = "p", .id = "old"}},
              {}}},
            2) {}
};

BOOST_AUTO_TEST_SUITE(gateway_actor)

BOOST_FIXTURE_TEST_CASE(a_gateway_that_cannot_start_at_once_has_its_restored_calls,
                        RestoredFixture) {
  BOOST_TEST(open_calls() == 1U);
}

BOOST_FIXTURE_TEST_CASE(an_http_call_goes_through_the_links_and_back, ActorFixture) {
  HttpClient http(http_port);
  http.post("/v1/completions", R"({"prompt": "a"})");
  const Reply reply = http.read_reply();
  BOOST_TEST(reply.status() == 200);
  BOOST_TEST(reply.body.find(R"("text":"Hi")") != std::string::npos);
  BOOST_TEST(open_calls() == 0U);
}

BOOST_FIXTURE_TEST_CASE(the_metrics_page_is_prometheus_text, ActorFixture) {
  HttpClient http(http_port);
  http.post("/v1/completions", "{}");
  BOOST_TEST(http.read_reply().status() == 400);
  http.get("/metrics");
  const Reply reply = http.read_reply();
  BOOST_TEST(reply.has("Content-Type: text/plain; version=0.0.4; charset=utf-8"));
  BOOST_TEST(reply.body.find("reason=\"invalid\"} 1") != std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_zmq_request_goes_through_the_links_and_back, ActorFixture) {
  link::Sender(port, kClient, 0).send(client::Generate{.id = "a", .prompt = "x"});
  const client::Final last = finished.get_future().get();
  BOOST_TEST(last.id == "a");
  BOOST_TEST(last.reason == "stop");
}

BOOST_FIXTURE_TEST_CASE(drained_is_answered_when_the_last_call_ended, SilentFixture) {
  HttpClient http(http_port);
  http.post("/v1/completions", R"({"prompt": "a", "stream": true})");
  http.read_until("\r\n\r\n");
  BOOST_TEST(open_calls() == 1U);
  auto drained = self->request(gateway, caf::infinite, messages::Drain{});
  BOOST_TEST(open_calls() == 1U);
  self->send(gateway, messages::ReplyChunks{{final_chunk(kFirstId)}});
  drained.receive([](bool done) { BOOST_TEST(done); },
                  [](const caf::error&) { BOOST_FAIL("no answer"); });
  BOOST_TEST(http.read_until("[DONE]").find("error") == std::string::npos);
}

BOOST_FIXTURE_TEST_CASE(a_stream_of_a_gateway_that_goes_does_not_just_end, SilentFixture) {
  HttpClient http(http_port);
  http.post("/v1/completions", R"({"prompt": "a", "stream": true})");
  http.read_until("\r\n\r\n");
  self->send_exit(gateway, caf::exit_reason::user_shutdown);
  const std::string rest = http.read_to_end();
  BOOST_TEST(rest.find("\"draining\"") != std::string::npos);
  BOOST_TEST(rest.find("data: [DONE]\n\n") != std::string::npos);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::gateway::tests
