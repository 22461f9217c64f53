#include "tests/actors/simulation/simulator.hpp"

#include <algorithm>
#include <utility>

namespace troupe::tests {

using namespace actors;
using dispatch::Effects;
using std::chrono::milliseconds;

namespace {

constexpr std::size_t kActions = 600;
constexpr std::size_t kLossesOnly = 80;  // of them at the end: no death mends what a loss broke
constexpr std::size_t kSettlingMax = 20'000;  // several times what any seed needs
constexpr std::uint32_t kRequestsMax = 24;
constexpr std::uint32_t kShortQueue = 4;    // so that calls of several answers are refused
constexpr std::uint32_t kCallMax = 3;       // answers
constexpr std::size_t kMemoryWords = 8192;  // small, so that the file is cleaned up often

std::span<std::byte> bytes_of(std::vector<std::uint64_t>& words) {
  return std::as_writable_bytes(std::span(words));
}

}  // namespace

Simulator::Simulator(const SimulatorOptions& options,
                     std::shared_ptr<const model::Tokenizer> tokenizer)
    : options_(options),
      tokenizer_(std::move(tokenizer)),
      random_(options.seed),
      memory_(kMemoryWords),
      processes_(1 + options.seed % 3) {
  start_front();
  for (Process& process : processes_) start_worker(process);
}

std::string Simulator::run(Seen& seen) {
  for (std::size_t i = 0; i < kActions && fault_.empty(); ++i) {
    ++seen_.steps;
    only_losses_ = i >= kActions - kLossesOnly;
    act();
    check();
  }
  settle();
  seen = seen_;
  return fault_;
}

// Nothing dies any more, except of poison: now everything has to end.
void Simulator::settle() {
  calm_ = true;
  dies_soon_ = false;
  throws_soon_ = false;
  for (Process& process : processes_) process.hung = false;
  for (std::size_t i = 0; i < kSettlingMax && fault_.empty() && !all_ended(); ++i) {
    ++seen_.steps;
    act();
    check();
  }
  for (const auto& [id, client] : clients_) {
    expect(client.ended, "request " + std::to_string(id) + " never ends");
  }
}

bool Simulator::all_ended() const {
  const auto ended = [](const auto& entry) { return entry.second.ended; };
  return front_.arriving.empty() && std::ranges::all_of(clients_, ended);
}

// One thing that happens next: which one is the seed's choice.
void Simulator::act() {
  Process& process = processes_[roll(static_cast<std::uint32_t>(processes_.size()))];
  now_ += Time{roll(3'000)};
  const std::uint32_t what = roll(100);
  if (what < 24) return deliver_to_front(process);
  if (what < 44) return deliver_to_worker(process);
  if (what < 64) return step_worker(process);
  if (what < 76) return deliver_inside();
  if (what < 84) return arrive();
  if (what < 92) return tick();
  if (calm_) return;
  if (only_losses_) return lose_messages(process);
  if (what < 93) return kill_worker(process, false);
  if (what < 94) return roll(2) == 0 ? kill_worker(process, false) : reconnect(process);
  if (what < 95 && options_.fronts_live) return;
  if (what < 95 && roll(2) == 0) return kill_front();
  if (what < 95) {
    dies_soon_ = true;
    return;
  }
  if (what < 96 && roll(4) == 0) {
    throws_soon_ = !options_.stages_live;
    return;
  }
  if (what < 97) return cancel_one();
  if (what < 98 && roll(4) == 0) return restart_aggregate();
  if (what < 98 && roll(4) == 0 && !options_.stages_live) return restart_dispatch({});
  if (what < 98 && process.worker) {
    process.hung = !process.hung;
    ++seen_.hangs;
  } else if (what < 99 && roll(2) == 0) {
    return lose_messages(process);
  } else if (what < 99) {
    now_ += milliseconds(4'000);  // long enough for a hung worker to be given up
  } else if (process.worker && !process.to_front.empty() &&
             std::holds_alternative<messages::TokenFrame>(process.to_front.front().message)) {
    send(process, {process.to_front.front().message});  // it comes twice
  }
}

dispatch::DispatcherOptions Simulator::dispatcher_options() const {
  return {.front_epoch = epoch_,
          .queued_max = options_.seed % 5 == 0 ? kShortQueue : kRequestsMax,
          .context_max = 64,
          .vocabulary_hash = "v",
          .local_workers = static_cast<std::uint32_t>(processes_.size()),
          .spare_workers = processes_.size() > 1 ? options_.seed / 3 % 2 : 0U,
          .begun = now_,
          .workers_known = true,
          .mutant = options_.mutant};
}

void Simulator::start_front() {
  ++epoch_;
  front_ = {};
  front_.dispatcher = std::make_unique<dispatch::Dispatcher>(dispatcher_options());
  front_.aggregator = std::make_unique<aggregate::Aggregator>(tokenizer_);
  for (auto& [id, client] : clients_) client.attempt = 0;
  front_.ledger = std::make_shared<dispatch::LedgerFile>(bytes_of(memory_), 4096);
  std::vector<dispatch::KeptEnd> ended;
  for (const dispatch::RestoredRequest& old :
       dispatch::take_from(*front_.ledger, kEndedKept, now_).requests) {
    restore(old, ended);
  }
  front_.keeper =
      std::make_unique<dispatch::LedgerKeeper>(front_.ledger, kEndedKept, std::move(ended));
  check_promises();
}

// As apps/restored_front.cpp does.
void Simulator::restore(const dispatch::RestoredRequest& old,
                        std::vector<dispatch::KeptEnd>& ended) {
  dispatch::RestoredEntry restored = dispatch::entry_of(old);
  aggregate::Replies replies = front_.aggregator->on_plan(dispatch::plan_of(old.request));
  const auto take_more = [&replies](const aggregate::Replies& more) {
    replies.chunks.insert(replies.chunks.end(), more.chunks.begin(), more.chunks.end());
    return more.finished;
  };
  const auto finished = take_more(front_.aggregator->on_tokens({old.events}));
  if (old.end && old.end->failed) take_more(front_.aggregator->on_failure(old.end->failure));
  if (old.end) {
    ended.push_back(dispatch::end_of(old));
  } else {
    restored.entry.end_proposed = !finished.empty();
    front_.dispatcher->restore(std::move(restored));
    front_.tally.accept();
    for (const auto& one : finished) front_.finished.push_back(one);
  }
  // The client has the beginning; what it lacks of it comes now.
  Client& client = clients_.at(old.request.request_id);
  if (client.ended) return;  // it had its last chunk, which dispatch may not have heard of
  const std::string had = std::exchange(client.text, {});
  take(replies);
  expect(client.text.starts_with(had), "a new front has less than the client");
}

void Simulator::kill_front(bool journal_whole) {
  ++seen_.front_deaths;
  unjournaled_.reset();
  for (Process& process : processes_) {
    process.to_worker.clear();  // what workers sent waits for the next front
  }
  std::set<std::uint64_t> suspects;
  for (const auto& [id, client] : clients_) {
    if (journal_whole && front_.dispatcher->is_suspect(id)) suspects.insert(id);
  }
  start_front();
  // Whom the ledger does not know asks again, which here means that it is gone.
  for (auto& [id, client] : clients_) client.ended |= !client.accepted;
  for (const std::uint64_t id : suspects) {
    const dispatch::LedgerEntry* entry = front_.dispatcher->ledger_entry(id);
    const bool open = entry != nullptr && !entry->end_proposed;
    expect(!open || front_.dispatcher->is_suspect(id), "a new front trusts a suspect");
  }
}

void Simulator::start_worker(Process& process) {
  process.start_at.reset();
  process.hung = false;
  process.numbers = link::FrameNumbers(options_.first_losses_unnoticed ? link::FirstNumber::kAny
                                                                       : link::FirstNumber::kOne);
  ++process.generation;
  const auto number = &process - processes_.data();
  process.worker.emplace("worker-" + std::to_string(number), process.generation, kSequences);
  send(process, process.worker->beat());
}

void Simulator::kill_worker(Process& process, bool by_work) {
  if (!process.worker) return;
  ++(by_work ? seen_.poison_deaths : seen_.worker_deaths);
  std::vector<std::uint64_t> in_step = process.worker->in_step();
  front_.from_root.push_back({.child = process.worker->hello().worker,
                              .generation = process.generation,
                              .reason = "killed",
                              .by_work = by_work,
                              .in_step = std::move(in_step)});
  process.worker.reset();
  process.to_worker.clear();
  // What was sent last may be lost.
  while (!process.to_front.empty() && roll(2) == 0) process.to_front.pop_back();
  process.start_at = now_ + milliseconds(50 + roll(200));
}

void Simulator::step_worker(Process& process) {
  if (!process.worker || process.hung) return;
  SimulatedWorker& worker = *process.worker;
  if (worker.stepping()) return send(process, worker.finish_step());
  send(process, worker.begin_step());
  const std::vector<std::uint64_t>& in_step = worker.in_step();
  const auto poison = [this](std::uint64_t id) { return clients_.at(id).poison; };
  const auto suspect = [&](std::uint64_t id) {
    const dispatch::LedgerEntry* entry = front_.dispatcher->ledger_entry(id);
    return entry != nullptr && entry->worker == worker.peer() &&
           worker.computes(epoch_, id, entry->attempt) && front_.dispatcher->is_suspect(id);
  };
  expect(in_step.size() < 2 || std::ranges::none_of(in_step, suspect), "a suspect runs in company");
  if (std::ranges::any_of(in_step, poison)) kill_worker(process, true);
}

// The edges inside the front, and root's word.
void Simulator::deliver_inside() {
  if (!front_.from_root.empty() && roll(2) == 0) {
    const messages::SiblingDown down = std::move(front_.from_root.front());
    front_.from_root.pop_front();
    handle([&] { return front_.dispatcher->on_worker_down(down, now_); });
  } else if (!front_.finished.empty() && roll(2) == 0) {
    const messages::ReplyFinished finished = front_.finished.front();
    front_.finished.pop_front();
    handle([&] { return front_.dispatcher->on_finished(finished, now_); });
  } else if (!front_.arriving.empty()) {
    const messages::TokenizedRequest request = std::move(front_.arriving.front());
    front_.arriving.pop_front();
    clients_.at(request.request_id).arrived = now_;
    handle_request(request);
  }
}

// One call: several answers to one prompt come from several tokenizers, in any order.
void Simulator::arrive() {
  if (calm_ || roll(2) == 0) return;  // so that they come until the end
  const std::uint32_t size = roll(6) == 0 ? 2 + roll(kCallMax - 1) : 1;
  if (clients_.size() + size > kRequestsMax) return;
  const std::uint64_t first = seen_.requests + 1;
  const Client drawn = drawn_client(first);
  seen_.calls += size > 1 ? 1U : 0U;
  for (std::uint32_t i = 0; i < size; ++i) {
    Client client = drawn;
    client.request.request_id = ++seen_.requests;
    client.request.sampling.seed += i;
    client.request.call_first = size > 1 ? first : 0;
    client.request.call_size = size;
    client.expected = answer_of(client.request);
    const auto place = roll(static_cast<std::uint32_t>(front_.arriving.size()) + 1);
    front_.arriving.insert(front_.arriving.begin() + place, client.request);
    clients_.emplace(client.request.request_id, std::move(client));
  }
}

Simulator::Client Simulator::drawn_client(std::uint64_t id) {
  Client client{.poison = roll(16) == 0};
  client.request = {.request_id = id, .sampling = {.seed = random_(), .max_tokens = 1 + roll(20)}};
  client.request.origin.door = messages::Door::kZmq;
  const std::uint32_t length = 1 + roll(12);
  for (std::uint32_t i = 0; i < length; ++i) {
    client.request.prompt_tokens.push_back('a' + static_cast<std::int32_t>(roll(3)));
  }
  if (roll(2) == 0) client.request.sampling.stop = {"ab", "ccc"};
  if (roll(3) == 0) client.request.priority = roll(10);
  if (roll(6) == 0) client.request.deadline_ms = 50 + roll(1'000);
  return client;
}

void Simulator::cancel_one() {
  if (clients_.empty()) return;
  const std::uint64_t id = 1 + roll(static_cast<std::uint32_t>(seen_.requests));
  Client& client = clients_.at(id);
  if (client.ended) return;
  client.cancelled = true;
  ++seen_.cancels;
  const std::uint64_t epoch = epoch_;
  const bool open = front_.dispatcher->ledger_entry(id) != nullptr;
  handle([&] { return front_.dispatcher->on_cancel(id, now_); });
  if (epoch_ != epoch) return;  // the front died of it, perhaps before it was written down
  // Aggregate has not found its end, or the client would have it: so this is the end.
  expect(!open || client.cut, "a cancel does not end its request");
}

void Simulator::tick() {
  for (Process& process : processes_) {
    if (process.start_at && now_ >= *process.start_at) start_worker(process);
    if (process.worker && !process.hung && roll(4) == 0) send(process, process.worker->beat());
  }
  const std::uint64_t epoch = epoch_;
  handle([&] { return front_.dispatcher->on_tick(now_); });
  if (epoch_ == epoch) judge_deadlines();  // else the front has died of it
}

void Simulator::perform(const Effects& effects) {
  for (const auto& event : effects.journaled.events) judge_token(event);
  seen_.resumed += effects.resumed.size();
  const bool dies = std::exchange(dies_soon_, false);
  const std::size_t used = front_.ledger->used();
  const std::uint64_t half = memory_[1];
  if (options_.emit_before_journal) {
    if (unjournaled_) journal(*unjournaled_);
    unjournaled_ = effects;
  } else {
    journal(effects);
  }
  if (dies && roll(2) == 0) {
    ++seen_.cuts;
    if (memory_[1] == half) cut_journal(used);
    return kill_front(false);
  }
  if (dies) emits_left_ = roll(4);
  emit(effects);
  emits_left_.reset();
  if (dies) kill_front();
}

// The front dies between two of the frames that it wrote from byte `used` on: the first word of the
// next one is still the zero that ends the log (ledger_file.cpp).
void Simulator::cut_journal(std::size_t used) {
  constexpr std::size_t kHeadBytes = 64;
  constexpr std::size_t kFrameHead = 24;
  const std::size_t half_bytes = (kMemoryWords * 8 - kHeadBytes) / 2 / 8 * 8;
  std::uint64_t* const begin = memory_.data() + (kHeadBytes + memory_[1] * half_bytes) / 8;
  std::vector<std::size_t> frames;
  while (used < front_.ledger->used()) {
    frames.push_back(used);
    used += kFrameHead + ((begin[used / 8] & 0xFFFFFFFF) + 7) / 8 * 8;
  }
  if (!frames.empty()) begin[frames[roll(static_cast<std::uint32_t>(frames.size()))] / 8] = 0;
}

// False when the front has died before this message.
bool Simulator::goes_out() {
  if (!emits_left_) return true;
  if (*emits_left_ == 0) return false;
  --*emits_left_;
  return true;
}

void Simulator::journal(const Effects& effects) {
  front_.keeper->journal(effects, *front_.dispatcher, now_);
  for (std::size_t i = 0; i < effects.accepted.size(); ++i) front_.tally.accept();
  for (const auto& ended : effects.ended) front_.tally.finish(ended.ending);
  front_.dispatcher->hold_back(front_.keeper->full());
  expect(front_.ledger->lost() == 0, "the memory file overflows");
}

void Simulator::emit(const Effects& effects) {
  for (const auto& plan : effects.plans) {
    if (goes_out()) take(front_.aggregator->on_plan(plan));
  }
  if (goes_out()) take(front_.aggregator->on_tokens(effects.journaled));
  for (const auto& refusal : effects.refusals) {
    if (goes_out()) take(front_.aggregator->on_failure(refusal));
  }
  for (const auto& failure : effects.failures) {
    if (goes_out()) take(front_.aggregator->on_failure(failure));
  }
  for (const auto& [peer, welcome] : effects.welcomes) send(peer, welcome);
  for (const auto& [peer, cancel] : effects.cancels) send(peer, cancel);
  for (const auto& [peer, item] : effects.work) {
    if (!goes_out()) return;
    hand_over(peer, item);
    send(peer, item);
  }
}

}  // namespace troupe::tests
