// A template and a conversation. Template, then role and content in turn, each ended by a zero
// byte; a template alone gets a conversation of two turns.
#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "jinja/template.hpp"

using namespace troupe;

namespace {

// A hundredth of what the server allows, so that what takes more time than its steps say is seen
// among inputs that take a millisecond.
constexpr jinja::Limits kLimits{.steps_max = 200'000,
                                .bytes_max = std::uint64_t{32} << 20,
                                .output_bytes_max = std::uint64_t{1} << 20};

std::vector<std::string_view> split_at_zeros(std::string_view input) {
  std::vector<std::string_view> parts;
  for (std::size_t zero = input.find('\0'); zero != std::string_view::npos;
       zero = input.find('\0')) {
    parts.push_back(input.substr(0, zero));
    input.remove_prefix(zero + 1);
  }
  parts.push_back(input);
  return parts;
}

jinja::Value message(std::string_view role, std::string_view content) {
  jinja::Dict dict;
  dict.set(jinja::Value::text("role"), jinja::Value::text(std::string(role)));
  dict.set(jinja::Value::text("content"), jinja::Value::text(std::string(content)));
  return jinja::Value::dict(std::move(dict));
}

jinja::Dict variables(const std::vector<std::string_view>& parts) {
  jinja::Items messages;
  for (std::size_t i = 2; i < parts.size(); i += 2) {
    messages.push_back(message(parts[i - 1], parts[i]));
  }
  if (messages.empty()) messages = {message("user", "Why?"), message("assistant", "Because.")};
  jinja::Dict dict;
  dict.set(jinja::Value::text("messages"), jinja::Value::list(std::move(messages)));
  dict.set(jinja::Value::text("add_generation_prompt"), true);
  dict.set(jinja::Value::text("bos_token"), jinja::Value::text("<s>"));
  dict.set(jinja::Value::text("eos_token"), jinja::Value::text("</s>"));
  return dict;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto parts = split_at_zeros({reinterpret_cast<const char*>(data), size});
  try {
    jinja::Template(parts.front()).render(variables(parts), 1'721'997'000, kLimits);
  } catch (const std::invalid_argument&) {  // SyntaxError and RenderError
  }
  return 0;
}
