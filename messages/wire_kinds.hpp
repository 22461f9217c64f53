// Which kind of frame each message travels as.
#pragma once

#include "messages/batch.hpp"
#include "messages/batch_result.hpp"
#include "messages/cancel.hpp"
#include "messages/client_protocol.hpp"
#include "messages/control.hpp"
#include "messages/failure.hpp"
#include "messages/generate_request.hpp"
#include "messages/reply_chunk.hpp"
#include "messages/reply_plan.hpp"
#include "messages/token_frame.hpp"
#include "messages/tokenized_request.hpp"
#include "messages/wire.hpp"
#include "messages/work_item.hpp"
#include "messages/worker_link.hpp"

namespace troupe::messages {

#define TROUPE_KIND(Type, name) \
  template <>                   \
  inline constexpr Kind kKindOf<Type> = Kind::name;

TROUPE_KIND(client::Hello, kHello)
TROUPE_KIND(client::Welcome, kWelcome)
TROUPE_KIND(client::Generate, kGenerate)
TROUPE_KIND(client::Accepted, kAccepted)
TROUPE_KIND(client::Chunk, kChunk)
TROUPE_KIND(client::Final, kFinal)
TROUPE_KIND(client::Error, kError)
TROUPE_KIND(client::Cancel, kCancel)
TROUPE_KIND(client::Ping, kPing)
TROUPE_KIND(client::Pong, kPong)
TROUPE_KIND(GenerateRequest, kGenerateRequest)
TROUPE_KIND(TokenizedRequest, kTokenizedRequest)
TROUPE_KIND(Failure, kFailure)
TROUPE_KIND(CancelRequest, kCancelRequest)
TROUPE_KIND(CancelWork, kCancelWork)
TROUPE_KIND(WorkItem, kWorkItem)
TROUPE_KIND(Batch, kBatch)
TROUPE_KIND(BatchResult, kBatchResult)
TROUPE_KIND(TokenFrame, kTokenFrame)
TROUPE_KIND(JournaledTokens, kJournaledTokens)
TROUPE_KIND(ReplyPlan, kReplyPlan)
TROUPE_KIND(ReplyFinished, kReplyFinished)
TROUPE_KIND(ReplyChunks, kReplyChunks)
TROUPE_KIND(WorkerHello, kWorkerHello)
TROUPE_KIND(WorkerWelcome, kWorkerWelcome)
TROUPE_KIND(WorkerBeat, kWorkerBeat)
TROUPE_KIND(Released, kReleased)
TROUPE_KIND(ReplayRequest, kReplayRequest)
TROUPE_KIND(ChildReady, kChildReady)
TROUPE_KIND(ChildProgress, kChildProgress)
TROUPE_KIND(FrontStatus, kFrontStatus)
TROUPE_KIND(SiblingDown, kSiblingDown)
TROUPE_KIND(Drain, kDrain)
TROUPE_KIND(NodeReadiness, kNodeReadiness)
TROUPE_KIND(Admit, kAdmit)
TROUPE_KIND(StageEvent, kStageEvent)
TROUPE_KIND(WorksMoved, kWorksMoved)

#undef TROUPE_KIND

}  // namespace troupe::messages
