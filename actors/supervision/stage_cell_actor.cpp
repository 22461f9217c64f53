#include "actors/supervision/stage_cell_actor.hpp"

#include <cstdio>
#include <memory>
#include <utility>

namespace troupe::actors::supervision {
namespace {

using Result = caf::result<caf::message>;

// Of an exception's text: it travels in control messages and log lines.
constexpr std::size_t kTextBytesMax = 400;

// A handler's result, as the handler of another actor may return it.
class ResultOf : public caf::detail::invoke_result_visitor {
 public:
  void operator()() override { result = caf::delegated<caf::message>{}; }

  void operator()(caf::error& error) override { result = error; }

  void operator()(caf::message& value) override { result = std::move(value); }

  void operator()(const caf::none_t&) override { (*this)(); }

  using caf::detail::invoke_result_visitor::operator();

  Result result{caf::message{}};
};

std::int64_t now_ns() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::nanoseconds(now).count();
}

std::string text_of(std::exception_ptr thrown) {
  try {
    std::rethrow_exception(std::move(thrown));
  } catch (const std::exception& error) {
    return std::string(error.what()).substr(0, kTextBytesMax);
  } catch (...) {
    return "an exception without a text";
  }
}

class StageCell : public caf::event_based_actor {
 public:
  StageCell(caf::actor_config& config, StageSpec spec, std::shared_ptr<StageTable> table)
      : caf::event_based_actor(config),
        spec_(std::move(spec)),
        table_(std::move(table)),
        mailbox_(table_->add(spec_.name, id())) {}

  const char* name() const override { return spec_.name.c_str(); }

  void enqueue(caf::mailbox_element_ptr element, caf::execution_unit* unit) override {
    mailbox_.fetch_add(1, std::memory_order_relaxed);
    caf::event_based_actor::enqueue(std::move(element), unit);
  }

  caf::behavior make_behavior() override {
    suspend();
    set_exit_handler([this](const caf::exit_msg& exit) {
      if (spec_.at_exit) spec_.at_exit();
      incarnation_ = {};
      spec_ = {.name = std::move(spec_.name), .make = {}, .tick = {}, .at_exit = {}, .before = {}};
      quit(exit.reason);
    });
    return {[this](caf::reset_atom, std::uint64_t generation) { start(generation); }};
  }

 private:
  // What is done with the next message: it is the one that threw.
  enum class Next { kHandle, kHandleAgain, kGiveUp };

  // CAF puts what is skipped back in its order when a message was handled: `reset_atom` is the next
  // one that can be.
  void suspend() { set_default_handler(caf::skip); }

  void start(std::uint64_t generation) {
    count_message();
    generation_ = generation;
    supervisor_ = caf::actor_cast<caf::actor>(current_sender());
    try {
      incarnation_ = spec_.make(this, lives_);
    } catch (...) {
      return report_end(now_ns(), std::current_exception());
    }
    set_default_handler(
        [this](caf::scheduled_actor*, caf::message_view& view) { return take(view.content()); });
    if (lives_++ == 0 && spec_.tick.count() != 0) send(this, caf::tick_atom_v);
    send(supervisor_, caf::ok_atom_v, generation_, now_ns());
  }

  Result take(caf::type_erased_tuple& message) {
    const Next what = std::exchange(next_, Next::kHandle);
    if (what == Next::kGiveUp) return give_up_on(message);
    const bool again = what == Next::kHandleAgain;
    if (!again && is_tick(message)) wait_for_tick();
    try {
      if (spec_.before) spec_.before(message, again);
      Result result = handle(incarnation_.handlers, message);
      count_message();
      return result;
    } catch (const Contained&) {
      end_life(std::current_exception());
      count_message();
      return caf::message{};
    } catch (...) {
      next_ = again ? Next::kGiveUp : Next::kHandleAgain;
      end_life(std::current_exception());
      return caf::skip;
    }
  }

  // A failure of this, too, must not bring the stage down once more: the message is gone then.
  Result give_up_on(caf::type_erased_tuple& message) {
    count_message();
    try {
      return handle(incarnation_.give_up, message);
    } catch (...) {
      std::fprintf(stderr,
                   "troupe: stage %s dropped a message: %s\n",
                   spec_.name.c_str(),
                   text_of(std::current_exception()).c_str());
      return caf::message{};
    }
  }

  static Result handle(caf::behavior& handlers, caf::type_erased_tuple& message) {
    ResultOf visitor;
    handlers(visitor, message);
    return std::move(visitor.result);
  }

  static bool is_tick(const caf::type_erased_tuple& message) {
    return message.size() == 1 && message.match_element<caf::atom_value>(0) &&
           message.get_as<caf::atom_value>(0) == caf::atom("tick");
  }

  void wait_for_tick() { delayed_send(this, spec_.tick, caf::tick_atom_v); }

  void end_life(std::exception_ptr thrown) {
    const std::int64_t at_ns = now_ns();
    suspend();
    incarnation_ = {};
    report_end(at_ns, std::move(thrown));
  }

  void report_end(std::int64_t at_ns, std::exception_ptr thrown) {
    send(supervisor_, caf::close_atom_v, generation_, at_ns, text_of(std::move(thrown)));
  }

  void count_message() { mailbox_.fetch_sub(1, std::memory_order_relaxed); }

  StageSpec spec_;
  std::shared_ptr<StageTable> table_;  // where mailbox_ lies
  StageTable::Counter& mailbox_;
  Incarnation incarnation_;
  caf::actor supervisor_;
  std::uint64_t generation_ = 0;
  std::uint32_t lives_ = 0;
  Next next_ = Next::kHandle;
};

}  // namespace

caf::actor spawn_stage(caf::actor_system& system,
                       StageSpec spec,
                       std::shared_ptr<StageTable> table) {
  return caf::actor_cast<caf::actor>(system.spawn<StageCell>(std::move(spec), std::move(table)));
}

caf::actor spawn_detached_stage(caf::actor_system& system,
                                StageSpec spec,
                                std::shared_ptr<StageTable> table) {
  return caf::actor_cast<caf::actor>(
      system.spawn<StageCell, caf::detached>(std::move(spec), std::move(table)));
}

}  // namespace troupe::actors::supervision
