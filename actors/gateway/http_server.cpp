#include "actors/gateway/http_server.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <map>
#include <thread>

#include "actors/gateway/http_session.hpp"
#include "config/check.hpp"
#include "config/user_error.hpp"

namespace troupe::actors::gateway {
namespace {

namespace asio = boost::asio;
using tcp = asio::ip::tcp;
using Error = boost::system::error_code;

// Connections above the bound that are told so at once; further ones are closed without a word.
constexpr std::size_t kRefusedAtOnceMax = 64;
// Out of file descriptors: the next try waits, instead of spinning.
constexpr std::chrono::milliseconds kAcceptRetry{100};
// What writes in flight get when the server stops.
constexpr std::chrono::milliseconds kStopTimeout{1'000};

[[noreturn]] void refuse_listen(const std::string& listen, const Error& error) {
  if (error == asio::error::address_in_use) {
    throw config::UserError("cannot listen on " + listen +
                            ": address in use; choose another with --http or stop the process that "
                            "uses it");
  }
  throw config::UserError("cannot listen on " + listen + ": " + error.message() +
                          "; give --http an address of this machine as HOST:PORT");
}

// HOST:PORT or [V6]:PORT.
tcp::endpoint endpoint_of(asio::io_context& io, const std::string& listen) {
  const std::size_t colon = listen.rfind(':');
  if (colon == std::string::npos || colon == 0) {
    refuse_listen(listen, make_error_code(boost::system::errc::invalid_argument));
  }
  std::string host = listen.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  Error error;
  tcp::resolver resolver(io);
  const auto found =
      resolver.resolve(host, listen.substr(colon + 1), tcp::resolver::passive, error);
  if (error) refuse_listen(listen, error);
  return found.begin()->endpoint();
}

}  // namespace

struct HttpServer::Impl {
  explicit Impl(HttpServerOptions options) : acceptor(io), accept_timer(io), stop_timer(io) {
    host.options = std::move(options);
    host.forget = [this](ConnectionId id) { forget(id); };
    listen();
  }

  void listen() {
    const std::string& name = host.options.listen;
    const tcp::endpoint endpoint = endpoint_of(io, name);
    Error error;
    acceptor.open(endpoint.protocol(), error);
    if (!error) acceptor.set_option(tcp::acceptor::reuse_address(true), error);
    if (!error) acceptor.bind(endpoint, error);
    if (!error) acceptor.listen(asio::socket_base::max_listen_connections, error);
    if (error) refuse_listen(name, error);
    port = acceptor.local_endpoint().port();
  }

  void accept() {
    acceptor.async_accept([this](Error error, tcp::socket socket) {
      if (error == asio::error::operation_aborted || host.stopping) return;
      if (error) return accept_later();
      take(std::move(socket));
      accept();
    });
  }

  void accept_later() {
    accept_timer.expires_after(kAcceptRetry);
    accept_timer.async_wait([this](Error error) {
      if (!error && !host.stopping) accept();
    });
  }

  void take(tcp::socket socket) {
    const std::size_t connections_max = host.options.connections_max;
    if (sessions.size() >= connections_max + kRefusedAtOnceMax) return;
    const ConnectionId id = ++last_id;
    const auto session = std::make_shared<HttpSession>(std::move(socket), id, host);
    const bool full = sessions.size() >= connections_max;
    sessions.emplace(id, session);
    full ? session->start_full() : session->start();
  }

  void forget(ConnectionId id) {
    sessions.erase(id);
    if (host.stopping && sessions.empty()) stop_timer.cancel();
  }

  void stop() {
    host.stopping = true;
    acceptor.close();
    accept_timer.cancel();
    const auto stopped = sessions;  // a session that closes leaves the map
    for (const auto& [id, session] : stopped) session->stop();
    work.reset();
    if (sessions.empty()) return;
    stop_timer.expires_after(kStopTimeout);
    stop_timer.async_wait([this](Error error) {
      if (!error) io.stop();
    });
  }

  void perform(HttpEffect& effect) {
    const auto id = std::visit([](const auto& one) { return one.connection; }, effect);
    const auto found = sessions.find(id);
    if (found == sessions.end()) return;
    const auto session = found->second;  // it may leave the map meanwhile
    std::visit([&](auto& one) { session->perform(std::move(one)); }, effect);
  }

  asio::io_context io{1};
  asio::executor_work_guard<asio::io_context::executor_type> work = asio::make_work_guard(io);
  SessionHost host;
  tcp::acceptor acceptor;
  asio::steady_timer accept_timer;
  asio::steady_timer stop_timer;
  std::map<ConnectionId, std::shared_ptr<HttpSession>> sessions;
  ConnectionId last_id = 0;
  std::uint16_t port = 0;
  std::thread thread;
};

HttpServer::HttpServer(HttpServerOptions options) : impl_(new Impl(std::move(options))) {}

HttpServer::~HttpServer() {
  if (!impl_->thread.joinable()) return;
  asio::post(impl_->io, [impl = impl_.get()] { impl->stop(); });
  impl_->thread.join();
}

void HttpServer::start(HttpHandlers handlers) {
  CHECK(!impl_->thread.joinable(), "a server starts once");
  impl_->host.handlers = std::move(handlers);
  impl_->accept();
  impl_->thread = std::thread([impl = impl_.get()] { impl->io.run(); });
}

std::uint16_t HttpServer::port() const { return impl_->port; }

void HttpServer::perform(std::vector<HttpEffect> effects) {
  asio::post(impl_->io, [impl = impl_.get(), effects = std::move(effects)]() mutable {
    for (HttpEffect& effect : effects) impl->perform(effect);
  });
}

}  // namespace troupe::actors::gateway
