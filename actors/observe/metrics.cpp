#include "actors/observe/metrics.hpp"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <map>
#include <mutex>
#include <vector>

#include "actors/observe/process_usage.hpp"

namespace troupe::actors::observe {
namespace {

using prometheus::Counter;
using prometheus::Family;
using prometheus::Gauge;
using prometheus::Histogram;
using Buckets = Histogram::BucketBoundaries;

// First tokens take 10 ms on an idle GPU and minutes behind a full queue; a whole request is of the
// same range.
const Buckets kRequestSeconds{
    0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 25.0, 50.0, 100.0, 250.0};
// Between tokens: 1 ms is a small model on a GPU, 50 ms reads fluently, a second is a stall that
// restarts explain.
const Buckets kTokenSeconds{
    0.001, 0.0025, 0.005, 0.01, 0.02, 0.035, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5};
// A stage other than inference works for microseconds; ten milliseconds is a long prompt's
// tokenizing.
const Buckets kStageSeconds{0.00001, 0.0001, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.1, 0.5, 2.5};
// Tokens double from bucket to bucket, up to the longest contexts in use.
const Buckets kTokens{1, 4, 16, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768, 131072};
// Sequences in a step, up to twice the default of batch.sequences_max.
const Buckets kSequences{1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128};

// Label values come from our own code; the bound keeps a mistake there from filling the memory.
constexpr std::size_t kSeriesMax = 64;

// A metric of one label whose series appear as they are used.
template <class Metric>
class Labelled {
 public:
  template <class... Arguments>
  Metric& at(const std::string& name, std::string_view value, Arguments&&... arguments) {
    const std::lock_guard lock(mutex_);
    auto found = series_.find(value);
    if (found != series_.end()) return *found->second;
    const std::string label(series_.size() < kSeriesMax ? value : "other");
    Metric& metric = family_.Add({{name, label}}, std::forward<Arguments>(arguments)...);
    if (series_.size() <= kSeriesMax) series_.emplace(label, &metric);
    return metric;
  }

  explicit Labelled(Family<Metric>& family) : family_(family) {}

 private:
  Family<Metric>& family_;
  std::mutex mutex_;
  std::map<std::string, Metric*, std::less<>> series_;
};

// Raises a counter to a total that is counted elsewhere; a total that fell was restarted from zero.
void raise_to(Counter& counter, double& last, double total) {
  counter.Increment(total >= last ? total - last : total);
  last = total;
}

// A counter by worker that follows totals which workers report.
class WorkerTotals {
 public:
  explicit WorkerTotals(Family<Counter>& family) : counters_(family) {}

  void set(std::string_view worker, std::uint64_t total) {
    Counter& counter = counters_.at("worker", worker);
    const std::lock_guard lock(mutex_);
    raise_to(counter, last_[&counter], static_cast<double>(total));
  }

 private:
  Labelled<Counter> counters_;
  std::mutex mutex_;
  std::map<Counter*, double> last_;
};

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;

  Family<Counter>& counters(const std::string& name, const std::string& help) {
    return prometheus::BuildCounter().Name(name).Help(help).Register(registry);
  }

  Family<Gauge>& gauges(const std::string& name, const std::string& help) {
    return prometheus::BuildGauge().Name(name).Help(help).Register(registry);
  }

  Family<Histogram>& histograms(const std::string& name, const std::string& help) {
    return prometheus::BuildHistogram().Name(name).Help(help).Register(registry);
  }

  Counter& accepted =
      counters("troupe_requests_accepted_total", "Requests that were promised an end").Add({});
  Labelled<Counter> finished{
      counters("troupe_requests_finished_total", "Accepted requests that ended, by reason")};
  Labelled<Counter> refused{
      counters("troupe_requests_refused_total", "Requests turned away, by reason")};
  Labelled<Gauge> queued{
      gauges("troupe_requests_queued", "Accepted requests that wait, by priority")};
  Gauge& running = gauges("troupe_requests_running", "Accepted requests on a worker").Add({});
  Gauge& conservation_error =
      gauges("troupe_requests_conservation_error",
             "accepted - finished - queued - running of one snapshot; always 0")
          .Add({});

  Histogram& time_to_first_token = histograms("troupe_time_to_first_token_seconds",
                                              "From a request's arrival to its first token")
                                       .Add({}, kRequestSeconds);
  Histogram& inter_token =
      histograms("troupe_inter_token_seconds", "Between two tokens of one answer")
          .Add({}, kTokenSeconds);
  Histogram& request = histograms("troupe_request_seconds", "From a request's arrival to its end")
                           .Add({}, kRequestSeconds);
  Histogram& queue =
      histograms("troupe_queue_seconds", "From a request's acceptance to a worker taking it")
          .Add({}, kRequestSeconds);
  Labelled<Histogram> stage{histograms("troupe_stage_seconds", "A stage's work on one message")};
  Histogram& step =
      histograms("troupe_step_seconds", "One forward pass and sampling").Add({}, kTokenSeconds);

  Counter& prompt_tokens_total =
      counters("troupe_prompt_tokens_total", "Tokens of accepted prompts").Add({});
  Counter& generated_tokens_total =
      counters("troupe_generated_tokens_total", "Tokens that were generated").Add({});
  Histogram& prompt_tokens =
      histograms("troupe_prompt_tokens", "Tokens of one prompt").Add({}, kTokens);
  Histogram& generated_tokens =
      histograms("troupe_generated_tokens", "Tokens of one answer").Add({}, kTokens);
  Histogram& batch_size =
      histograms("troupe_batch_size", "Sequences in one forward pass").Add({}, kSequences);

  Family<Gauge>& kv_blocks = gauges("troupe_kv_blocks", "Blocks of the key-value cache, by state");
  WorkerTotals preemptions{
      counters("troupe_preemptions_total", "Sequences that lost their blocks and start over")};
  WorkerTotals hit_tokens{counters("troupe_prefix_cache_hit_tokens_total",
                                   "Tokens whose keys and values were cached already")};
  WorkerTotals nonfinite{
      counters("troupe_nonfinite_total", "Sequences that failed on logits that are not finite")};

  Family<Counter>& restarts = counters("troupe_restarts_total", "Restarts, by child and reason");
  Labelled<Gauge> child_up{gauges("troupe_child_up", "1 while the child runs")};
  Counter& stale =
      counters("troupe_stale_messages_total", "Messages of dead incarnations that were dropped")
          .Add({});
  double stale_last = 0.0;  // dispatch alone sets it
  Counter& ledger_lost =
      counters("troupe_ledger_lost_frames_total",
               "Frames without room in the ledger's memory: their requests end with the front")
          .Add({});
  double ledger_lost_last = 0.0;  // dispatch alone sets it
  Counter& resumed = counters("troupe_resumed_requests_total",
                              "Requests taken from a worker, dead or alive, that go on elsewhere")
                         .Add({});
  Counter& refusals =
      counters("troupe_link_refusals_total", "Frames that a link could not read or take").Add({});

  Counter& cpu =
      counters("process_cpu_seconds_total", "User and system time of the process").Add({});
  Gauge& resident = gauges("process_resident_memory_bytes", "Memory that is resident").Add({});
  Gauge& open_files = gauges("process_open_fds", "Open file descriptors").Add({});

  std::mutex usage_mutex;
  double cpu_last = 0.0;
};

// Reasons that alerts are written against exist from the start, at zero: a rate over a series that
// only appears with its first event misses that event.
Metrics::Metrics() : state_(std::make_unique<State>()) {
  for (const char* reason : {"stop", "length", "cancelled", "deadline", "error", "quarantined"}) {
    state_->finished.at("reason", reason);
  }
  for (const char* reason : {"open", "limit", "deadline", "overload", "draining", "invalid"}) {
    state_->refused.at("reason", reason);
  }
}

Metrics::~Metrics() = default;

void Metrics::request_accepted() { state_->accepted.Increment(); }

void Metrics::request_finished(std::string_view reason) {
  state_->finished.at("reason", reason).Increment();
}

void Metrics::request_refused(std::string_view reason) {
  state_->refused.at("reason", reason).Increment();
}

void Metrics::set_requests(std::span<const std::uint64_t> queued, std::uint64_t running) {
  for (std::size_t priority = 0; priority < queued.size(); ++priority) {
    state_->queued.at("priority", std::to_string(priority))
        .Set(static_cast<double>(queued[priority]));
  }
  state_->running.Set(static_cast<double>(running));
}

void Metrics::set_conservation_error(std::int64_t error) {
  state_->conservation_error.Set(static_cast<double>(error));
}

void Metrics::observe_time_to_first_token(double seconds) {
  state_->time_to_first_token.Observe(seconds);
}

void Metrics::observe_inter_token(double seconds) { state_->inter_token.Observe(seconds); }

void Metrics::observe_request(double seconds) { state_->request.Observe(seconds); }

void Metrics::observe_queue(double seconds) { state_->queue.Observe(seconds); }

void Metrics::observe_stage(std::string_view stage, double seconds) {
  state_->stage.at("stage", stage, kStageSeconds).Observe(seconds);
}

void Metrics::observe_step(double seconds) { state_->step.Observe(seconds); }

void Metrics::add_prompt_tokens(std::uint64_t tokens) {
  state_->prompt_tokens_total.Increment(static_cast<double>(tokens));
  state_->prompt_tokens.Observe(static_cast<double>(tokens));
}

void Metrics::add_generated_tokens(std::uint64_t tokens) {
  state_->generated_tokens_total.Increment(static_cast<double>(tokens));
}

void Metrics::observe_generated_tokens(std::uint64_t tokens) {
  state_->generated_tokens.Observe(static_cast<double>(tokens));
}

void Metrics::observe_batch_size(std::uint64_t sequences) {
  state_->batch_size.Observe(static_cast<double>(sequences));
}

void Metrics::set_kv_blocks(std::string_view worker,
                            std::uint64_t used,
                            std::uint64_t cached,
                            std::uint64_t free) {
  const auto set = [&](const char* name, std::uint64_t blocks) {
    const prometheus::Labels labels{{"state", name}, {"worker", std::string(worker)}};
    state_->kv_blocks.Add(labels).Set(static_cast<double>(blocks));
  };
  set("used", used);
  set("cached", cached);
  set("free", free);
}

void Metrics::set_hit_tokens(std::string_view worker, std::uint64_t total) {
  state_->hit_tokens.set(worker, total);
}

void Metrics::set_preemptions(std::string_view worker, std::uint64_t total) {
  state_->preemptions.set(worker, total);
}

void Metrics::set_nonfinite(std::string_view worker, std::uint64_t total) {
  state_->nonfinite.set(worker, total);
}

void Metrics::set_child_up(std::string_view child, bool up) {
  state_->child_up.at("child", child).Set(up ? 1.0 : 0.0);
}

void Metrics::child_restarted(std::string_view child, std::string_view reason) {
  state_->restarts.Add({{"child", std::string(child)}, {"reason", std::string(reason)}})
      .Increment();
}

void Metrics::set_stale_messages(std::uint64_t total) {
  raise_to(state_->stale, state_->stale_last, static_cast<double>(total));
}

void Metrics::set_ledger_lost(std::uint64_t total) {
  raise_to(state_->ledger_lost, state_->ledger_lost_last, static_cast<double>(total));
}

void Metrics::request_resumed() { state_->resumed.Increment(); }

void Metrics::link_refusal() { state_->refusals.Increment(); }

std::string Metrics::expose() {
  const ProcessUsage usage = read_process_usage();
  {
    const std::lock_guard lock(state_->usage_mutex);
    raise_to(state_->cpu, state_->cpu_last, usage.cpu_seconds);
  }
  state_->resident.Set(static_cast<double>(usage.resident_bytes));
  state_->open_files.Set(static_cast<double>(usage.open_files));
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

}  // namespace troupe::actors::observe
