#include "actors/preprocess/preprocessor.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

namespace troupe::actors::preprocess {
namespace {

using messages::Failure;
using messages::FailureCode;
using messages::GenerateRequest;
using messages::PromptKind;

Failure refuse(const GenerateRequest& request, std::string param, std::string message) {
  return {.request_id = request.request_id,
          .code = FailureCode::kInvalid,
          .message = std::move(message),
          .param = std::move(param)};
}

std::string prompt_param(PromptKind kind) {
  return kind == PromptKind::kChat ? "messages" : "prompt";
}

}  // namespace

Preprocessor::Preprocessor(std::shared_ptr<const model::Tokenizer> tokenizer,
                           std::shared_ptr<const model::ChatTemplate> chat_template,
                           std::uint32_t context_max)
    : tokenizer_(std::move(tokenizer)),
      chat_template_(std::move(chat_template)),
      context_max_(context_max) {}

std::vector<std::int32_t> Preprocessor::prompt_tokens(const GenerateRequest& request) const {
  std::vector<std::int32_t> tokens;
  switch (request.prompt_kind) {
    case PromptKind::kTokens:
      return request.prompt_tokens;
    case PromptKind::kChat: {
      if (chat_template_ == nullptr) {
        throw std::invalid_argument("the model has no chat template: use /v1/completions");
      }
      std::vector<model::ChatMessage> turns;
      for (const auto& turn : request.messages) turns.push_back({turn.role, turn.content});
      return tokenizer_->encode(chat_template_->render(std::move(turns)),
                                model::SpecialTokens::kParse);
    }
    case PromptKind::kText:
      tokens = tokenizer_->encode(request.prompt, model::SpecialTokens::kParse);
  }
  if (tokenizer_->adds_bos() && (tokens.empty() || tokens.front() != tokenizer_->bos())) {
    tokens.insert(tokens.begin(), tokenizer_->bos());
  }
  return tokens;
}

Preprocessed Preprocessor::run(const GenerateRequest& request) const {
  const std::string param = prompt_param(request.prompt_kind);
  messages::TokenizedRequest tokenized{.request_id = request.request_id,
                                       .sampling = request.sampling,
                                       .echo = request.echo,
                                       .priority = request.priority,
                                       .deadline_ms = request.deadline_ms,
                                       .cache_salt = request.cache_salt,
                                       .call_first = request.call_first,
                                       .call_size = request.call_size,
                                       .origin = request.origin};
  try {
    tokenized.prompt_tokens = prompt_tokens(request);
  } catch (const std::invalid_argument& error) {
    return refuse(request, param, error.what());
  }
  const std::size_t length = tokenized.prompt_tokens.size();
  if (length == 0 && !request.prompt.empty()) {
    return refuse(request, param, "the model has no token for anything in the prompt: send UTF-8");
  }
  if (length == 0) return refuse(request, param, "the prompt is empty: send at least one token");
  if (length >= context_max_) {
    return refuse(request,
                  param,
                  "the prompt has " + std::to_string(length) + " tokens and the context holds " +
                      std::to_string(context_max_) + " with the answer: shorten it");
  }
  const auto in_vocabulary = [&](std::int32_t id) {
    return id >= 0 && id < tokenizer_->vocab_size();
  };
  const auto stranger = std::ranges::find_if_not(tokenized.prompt_tokens, in_vocabulary);
  if (stranger != tokenized.prompt_tokens.end()) {
    return refuse(request,
                  param,
                  "token " + std::to_string(*stranger) + " is not in the vocabulary of " +
                      std::to_string(tokenizer_->vocab_size()));
  }
  for (const auto& [id, bias] : tokenized.sampling.logit_bias) {
    if (!in_vocabulary(id)) {
      return refuse(
          request, "logit_bias", "token " + std::to_string(id) + " is not in the vocabulary");
    }
  }
  const auto room = static_cast<std::uint32_t>(context_max_ - length);
  std::uint32_t& max_tokens = tokenized.sampling.max_tokens;
  max_tokens = max_tokens == 0 ? room : std::min(max_tokens, room);
  tokenized.sampling.min_tokens = std::min(tokenized.sampling.min_tokens, max_tokens);
  return tokenized;
}

}  // namespace troupe::actors::preprocess
