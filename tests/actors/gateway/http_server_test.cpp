// Real sockets before the real core, with the test as the pipeline behind it.
#include "actors/gateway/http_server.hpp"

#include <condition_variable>
#include <deque>
#include <mutex>

#include "actors/gateway/json_text.hpp"
#include "config/user_error.hpp"
#include "tests/actors/gateway/core_fixture.hpp"
#include "tests/actors/gateway/http_client.hpp"

namespace troupe::actors::gateway::tests {
namespace {

using messages::CancelRequest;
using messages::GenerateRequest;

const std::string kChatBody = R"({"messages": [{"role": "user", "content": "Hi"}])";

HttpServerOptions local_options() { return {.listen = "127.0.0.1:0"}; }

// A server whose core runs under a lock; requests and cancels of the pipeline queue for the test.
class Node {
 public:
  explicit Node(HttpServerOptions options = local_options()) {
    core_.on_readiness({.ready = true, .numerics_id = "n1"});
    options.on_access = [this](const observe::AccessRecord& record) {
      with_lock([&] { access_.push_back(record); });
    };
    server_ = std::make_unique<HttpServer>(std::move(options));
    server_->start({.on_request =
                        [this](HttpRequest request) {
                          with_lock([&] { perform(core_.on_http(request, {})); });
                        },
                    .on_gone =
                        [this](ConnectionId connection) {
                          with_lock([&] { perform(core_.on_gone(connection, {})); });
                        }});
  }

  std::uint16_t port() const { return server_->port(); }

  GenerateRequest next_request() { return next(requests_); }

  std::uint64_t next_cancelled() { return next(cancels_).request_id; }

  observe::AccessRecord next_access() { return next(access_); }

  void chunk(const messages::ReplyChunk& chunk) {
    with_lock([&] { perform(core_.on_chunks({{chunk}}, {})); });
  }

  // What the server's thread has not done yet, it has done after this.
  void stop() { server_.reset(); }

 private:
  template <class Act>
  void with_lock(Act act) {
    {
      const std::lock_guard lock(mutex_);
      act();
    }
    changed_.notify_all();
  }

  template <class Item>
  Item next(std::deque<Item>& queue) {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !queue.empty(); });
    Item item = std::move(queue.front());
    queue.pop_front();
    return item;
  }

  void perform(Effects effects) {
    std::vector<HttpEffect> http;
    for (Effect& effect : effects) {
      if (auto* one = std::get_if<HttpRespond>(&effect)) http.emplace_back(std::move(*one));
      if (auto* one = std::get_if<HttpStreamBegin>(&effect)) http.emplace_back(std::move(*one));
      if (auto* one = std::get_if<HttpStreamWrite>(&effect)) http.emplace_back(std::move(*one));
      if (auto* one = std::get_if<HttpStreamEnd>(&effect)) http.emplace_back(std::move(*one));
      if (auto* one = std::get_if<GenerateRequest>(&effect)) requests_.push_back(std::move(*one));
      if (auto* one = std::get_if<CancelRequest>(&effect)) cancels_.push_back(*one);
    }
    server_->perform(std::move(http));
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  GatewayCore core_{core_options()};
  std::deque<GenerateRequest> requests_;
  std::deque<CancelRequest> cancels_;
  std::deque<observe::AccessRecord> access_;
  std::unique_ptr<HttpServer> server_;
};

BOOST_AUTO_TEST_SUITE(http_server)

BOOST_AUTO_TEST_CASE(one_connection_serves_many_requests) {
  Node node;
  HttpClient client(node.port());
  for (int i = 0; i < 3; ++i) {
    client.get("/health/live");
    const Reply reply = client.read_reply();
    BOOST_TEST(reply.status() == 200);
    BOOST_TEST(reply.has("Connection: keep-alive"));
    BOOST_TEST(node.next_access().path == "/health/live");
  }
}

BOOST_AUTO_TEST_CASE(pipelined_requests_are_answered_in_order) {
  Node node;
  HttpClient client(node.port());
  client.send("GET /version HTTP/1.1\r\nHost: x\r\n\r\nGET /v1/models HTTP/1.1\r\nHost: x\r\n\r\n");
  BOOST_TEST(Json::parse(client.read_reply().body).contains("version"));
  BOOST_TEST(Json::parse(client.read_reply().body)["object"] == "list");
}

BOOST_AUTO_TEST_CASE(http_1_0_and_connection_close_end_the_connection) {
  Node node;
  HttpClient old(node.port());
  old.send("GET /health HTTP/1.0\r\n\r\n");
  BOOST_TEST(old.read_to_end().find("Connection: close") != std::string::npos);
  HttpClient closing(node.port());
  closing.send("GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  BOOST_TEST(closing.read_to_end().find("\"ok\"") != std::string::npos);
}

BOOST_AUTO_TEST_CASE(head_has_a_length_and_no_body) {
  Node node;
  HttpClient client(node.port());
  client.send("HEAD /health HTTP/1.1\r\nHost: x\r\n\r\n");
  BOOST_TEST(client.read_until("\r\n\r\n").find("Content-Length: 15") != std::string::npos);
  client.get("/health");
  BOOST_TEST(client.read_reply().body == R"({"status":"ok"})");
}

BOOST_AUTO_TEST_CASE(a_whole_answer_comes_as_json_and_is_logged) {
  Node node;
  HttpClient client(node.port());
  client.post("/v1/chat/completions?x=y", kChatBody + "}");
  const auto id = node.next_request().request_id;
  auto last = final_chunk(id);
  last.text = "Hello";
  last.token_end = 2;
  node.chunk(last);
  const Reply reply = client.read_reply();
  BOOST_TEST(reply.has("Content-Type: application/json"));
  BOOST_TEST(Json::parse(reply.body)["choices"][0]["message"]["content"] == "Hello");
  const auto record = node.next_access();
  BOOST_TEST(record.path == "/v1/chat/completions");
  BOOST_TEST(record.status == 200U);
  BOOST_TEST(record.finish == "stop");
  BOOST_TEST(record.produced_tokens == 2U);
}

BOOST_AUTO_TEST_CASE(a_stream_comes_in_chunks_and_the_connection_lives_on) {
  Node node;
  HttpClient client(node.port());
  for (int round = 0; round < 2; ++round) {
    client.post("/v1/chat/completions", kChatBody + R"(, "stream": true})");
    const auto id = node.next_request().request_id;
    node.chunk(accepted_chunk(id));
    const Reply head = client.read_reply();
    BOOST_TEST(head.has("Content-Type: text/event-stream; charset=utf-8"));
    BOOST_TEST(head.has("Transfer-Encoding: chunked"));
    BOOST_TEST(client.read_chunk().find("assistant") != std::string::npos);
    node.chunk(text_chunk(id, "Hi"));
    BOOST_TEST(client.read_chunk().find("\"content\":\"Hi\"") != std::string::npos);
    node.chunk(final_chunk(id));
    BOOST_TEST(client.read_chunk().ends_with("data: [DONE]\n\n"));
    BOOST_TEST(client.read_chunk() == "");
    BOOST_TEST(node.next_access().finish == "stop");
  }
}

BOOST_AUTO_TEST_CASE(a_stream_over_http_1_0_ends_with_the_connection) {
  Node node;
  HttpClient client(node.port());
  const std::string body = kChatBody + R"(, "stream": true})";
  client.send("POST /v1/chat/completions HTTP/1.0\r\nContent-Length: " +
              std::to_string(body.size()) + "\r\n\r\n" + body);
  node.chunk(final_chunk(node.next_request().request_id));
  const std::string reply = client.read_to_end();
  BOOST_TEST(reply.find("chunked") == std::string::npos);
  BOOST_TEST(reply.ends_with("data: [DONE]\n\n"));
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_a_stream_cancels_it) {
  Node node;
  HttpClient client(node.port());
  client.post("/v1/chat/completions", kChatBody + R"(, "stream": true})");
  const auto id = node.next_request().request_id;
  node.chunk(accepted_chunk(id));
  client.read_until("assistant");
  client.close();
  BOOST_TEST(node.next_cancelled() == id);
  BOOST_TEST(node.next_access().status == 499U);
}

BOOST_AUTO_TEST_CASE(a_client_that_leaves_while_it_waits_cancels_its_request) {
  Node node;
  HttpClient client(node.port());
  client.post("/v1/completions", R"({"prompt": "a", "n": 2})");
  const auto first = node.next_request().request_id;
  node.next_request();
  client.reset();
  BOOST_TEST(node.next_cancelled() == first);
  BOOST_TEST(node.next_cancelled() == first + 1);
}

BOOST_AUTO_TEST_CASE(a_reader_that_stops_reading_loses_its_request) {
  HttpServerOptions options = local_options();
  options.reply_bytes_max = 64 * 1024;
  Node node(options);
  HttpClient client(node.port());
  client.shrink_receive_buffer();
  client.post("/v1/chat/completions", kChatBody + R"(, "stream": true})");
  const auto id = node.next_request().request_id;
  node.chunk(accepted_chunk(id));
  // More than the kernel's buffers and the bound together can hold.
  for (std::uint32_t i = 0; i < 400; ++i) {
    node.chunk(text_chunk(id, std::string(64 * 1024, 'x'), i));
  }
  BOOST_TEST(node.next_cancelled() == id);
}

BOOST_AUTO_TEST_CASE(an_oversized_body_is_refused_before_it_is_read) {
  Node node;
  HttpClient client(node.port());
  client.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 4194305\r\n\r\n");
  const Reply reply = client.read_reply();  // not a byte of the body was sent
  BOOST_TEST(reply.status() == 413);
  BOOST_TEST(reply.has("Connection: close"));
  BOOST_TEST(Json::parse(reply.body)["error"]["code"] == "too_large");
}

BOOST_AUTO_TEST_CASE(an_oversized_chunked_body_is_refused_on_its_way) {
  Node node;
  HttpClient client(node.port());
  client.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send("500000\r\n" + std::string(0x500000, 'x'));
  BOOST_TEST(client.read_reply().status() == 413);
}

BOOST_AUTO_TEST_CASE(a_body_of_chunks_is_read) {
  Node node;
  HttpClient client(node.port());
  client.send("POST /v1/completions HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  client.send("8\r\n{\"prompt\r\n6\r\n\": \"a\"\r\n1\r\n}\r\n0\r\n\r\n");
  BOOST_TEST(node.next_request().prompt == "a");
}

BOOST_AUTO_TEST_CASE(expect_continue_is_answered_before_the_body) {
  Node node;
  HttpClient client(node.port());
  client.send(
      "POST /v1/completions HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\n"
      "Content-Length: 15\r\n\r\n");
  BOOST_TEST(client.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  client.send(R"({"prompt": "a"})");
  const auto id = node.next_request().request_id;
  node.chunk(final_chunk(id));
  BOOST_TEST(client.read_reply().status() == 200);
  client.get("/health");
  BOOST_TEST(client.read_reply().status() == 200);
}

BOOST_AUTO_TEST_CASE(wrong_paths_and_methods_are_json_errors) {
  Node node;
  HttpClient client(node.port());
  client.get("/nothing");
  BOOST_TEST(client.read_reply().status() == 404);
  client.get("/v1/completions");
  const Reply wrong = client.read_reply();
  BOOST_TEST(wrong.status() == 405);
  BOOST_TEST(wrong.has("Allow: POST"));
  client.post("/v1/models", "{}");  // its body is not read, so the connection ends
  const Reply unread = client.read_reply();
  BOOST_TEST(unread.status() == 405);
  BOOST_TEST(unread.has("Connection: close"));
}

BOOST_AUTO_TEST_CASE(bad_json_gets_400_and_the_connection_lives_on) {
  Node node;
  HttpClient client(node.port());
  client.post("/v1/completions", "{");
  const Reply reply = client.read_reply();
  BOOST_TEST(reply.status() == 400);
  BOOST_TEST(Json::parse(reply.body)["error"]["type"] == "invalid_request_error");
  client.get("/health");
  BOOST_TEST(client.read_reply().status() == 200);
}

BOOST_AUTO_TEST_CASE(what_is_no_http_gets_400) {
  Node node;
  HttpClient client(node.port());
  client.send("NONSENSE\r\n\r\n");
  BOOST_TEST(client.read_reply().status() == 400);
}

BOOST_AUTO_TEST_CASE(endless_headers_get_431) {
  Node node;
  HttpClient client(node.port());
  client.send("GET / HTTP/1.1\r\nX: " + std::string(20'000, 'x'));
  BOOST_TEST(client.read_reply().status() == 431);
}

BOOST_AUTO_TEST_CASE(a_silent_connection_is_closed) {
  HttpServerOptions options = local_options();
  options.idle_timeout = std::chrono::milliseconds(20);
  Node node(options);
  HttpClient silent(node.port());
  BOOST_TEST(silent.read_to_end() == "");
  HttpClient half(node.port());
  half.send("POST /v1/completions HTTP/1.1\r\nContent-Length: 10\r\n\r\n{");
  BOOST_TEST(half.read_to_end() == "");
}

BOOST_AUTO_TEST_CASE(connections_above_the_bound_get_503) {
  HttpServerOptions options = local_options();
  options.connections_max = 2;
  Node node(options);
  HttpClient first(node.port());
  HttpClient second(node.port());
  first.get("/health");
  first.read_reply();
  second.get("/health");
  second.read_reply();
  HttpClient third(node.port());
  const Reply refused = third.read_reply();
  BOOST_TEST(refused.status() == 503);
  BOOST_TEST(refused.has("retry-after-ms: 1000"));
  first.get("/health");
  BOOST_TEST(first.read_reply().status() == 200);
}

BOOST_AUTO_TEST_CASE(a_port_in_use_is_said_with_the_remedy) {
  Node node;
  const std::string listen = "127.0.0.1:" + std::to_string(node.port());
  BOOST_CHECK_EXCEPTION(
      HttpServer({.listen = listen}), config::UserError, [&](const config::UserError& error) {
        return error.what() == "cannot listen on " + listen +
                                   ": address in use; choose another with --http or stop the "
                                   "process that uses it";
      });
}

BOOST_AUTO_TEST_CASE(an_address_that_is_none_is_refused) {
  for (const char* listen : {"", "8080", ":8080", "127.0.0.1:http!", "[::1"}) {
    BOOST_CHECK_THROW(HttpServer({.listen = listen}), config::UserError);
  }
}

BOOST_AUTO_TEST_CASE(a_server_that_stops_lets_its_writes_end) {
  Node node;
  HttpClient client(node.port());
  client.post("/v1/completions", R"({"prompt": "a"})");
  auto last = final_chunk(node.next_request().request_id);
  last.text = std::string(200'000, 'x');
  node.chunk(last);
  node.stop();
  BOOST_TEST(client.read_reply().body.size() > 200'000U);
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::actors::gateway::tests
