// CAF's view of the messages: type ids, and inspection from the one field list that each message
// has.
#pragma once

#include <caf/all.hpp>

#include "messages/wire_kinds.hpp"

namespace troupe::messages {

// Found by argument-dependent lookup for every struct with a TROUPE_MESSAGE field list.
template <class Inspector, class Message>

requires requires(Message& message) { message.fields(); }

typename Inspector::result_type inspect(Inspector& inspector, Message& message) {
  return std::apply(
      [&](auto&... fields) {
        return inspector(caf::meta::type_name(Message::kMessageName), fields...);
      },
      message.fields());
}

}  // namespace troupe::messages

CAF_BEGIN_TYPE_ID_BLOCK(troupe, first_custom_type_id)
CAF_ADD_TYPE_ID(troupe, (troupe::messages::GenerateRequest))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::TokenizedRequest))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::Failure))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::CancelRequest))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::CancelWork))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::WorkItem))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::Batch))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::BatchResult))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::TokenFrame))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::JournaledTokens))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::ReplyPlan))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::ReplyFinished))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::ReplyChunks))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::WorkerHello))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::WorkerWelcome))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::WorkerBeat))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::Released))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::ReplayRequest))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::FrontStatus))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::SiblingDown))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::Drain))
CAF_ADD_TYPE_ID(troupe, (troupe::messages::NodeReadiness))
CAF_END_TYPE_ID_BLOCK(troupe)
