// The pure cores of the stages in one process, driven by one thread: the life of a request without
// actors or sockets.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_set>

#include "actors/aggregate/aggregator.hpp"
#include "actors/batch/batcher.hpp"
#include "actors/infer/engine.hpp"
#include "actors/preprocess/preprocessor.hpp"
#include "apps/loaded_model.hpp"
#include "apps/progress.hpp"
#include "config/node_config.hpp"
#include "messages/generate_request.hpp"
#include "messages/reply_chunk.hpp"

namespace troupe::apps {

class LocalPipeline {
 public:
  using OnChunk = std::function<void(const messages::ReplyChunk&)>;

  // `sequences`: how many requests run at once; more wait. Every request gives its chunks to
  // `on_chunk`, the last of them kFinal or kError. Throws config::UserError for a model that cannot
  // be run. `progress` hears what a first use of a model prepares.
  LocalPipeline(const LoadedModel& model,
                const config::NodeConfig& config,
                std::uint32_t sequences,
                OnChunk on_chunk,
                Progress* progress = nullptr);

  // `request.request_id` was not used before in this pipeline. A request that is refused has its
  // kError chunk before this returns.
  void submit(const messages::GenerateRequest& request);

  // Ends a request with a kError chunk (kCancelled). Does nothing for one that has ended.
  void cancel(std::uint64_t request_id);

  // One forward pass. False: nobody needs one.
  bool step();

  // What the last step computed.
  const messages::Batch& last_batch() const { return last_batch_; }

  const std::string& numerics_id() const { return engine_.numerics_id(); }

 private:
  void deliver(messages::TokenFrame frame);
  void fail(const messages::Failure& failure);
  void emit(const actors::aggregate::Replies& replies);
  void end_work(std::uint64_t request_id);

  actors::preprocess::Preprocessor preprocessor_;
  std::int32_t kv_blocks_;
  actors::batch::Batcher batcher_;
  actors::infer::Engine engine_;
  actors::aggregate::Aggregator aggregator_;
  OnChunk on_chunk_;
  bool has_chat_template_;
  std::unordered_set<std::uint64_t> working_;  // requests that the batcher holds
  messages::Batch last_batch_;
};

}  // namespace troupe::apps
