#include "apps/chat.hpp"

#include <unistd.h>

#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "apps/chat_backend.hpp"
#include "apps/conversation.hpp"
#include "apps/interrupt.hpp"
#include "apps/line_reader.hpp"
#include "apps/model_flags.hpp"
#include "apps/sampling_flags.hpp"
#include "apps/standard_output.hpp"
#include "config/user_error.hpp"

namespace troupe::apps {
namespace {

using config::UserError;

constexpr std::uint32_t kMaxTokensDefault = 512;
// Lively, and still sensible for small models.
constexpr float kTemperatureDefault = 0.7F;

struct Flags {
  ModelFlags model;
  SamplingFlags sampling{kTemperatureDefault, kMaxTokensDefault};
  std::optional<std::string> url;
  std::string system;
};

// One conversation from the first line to the last.
class Chat {
 public:
  Chat(ChatBackend& backend, std::string system)
      : backend_(backend),
        conversation_(std::move(system)),
        terminal_(isatty(STDIN_FILENO) == 1 && isatty(STDOUT_FILENO) == 1) {}

  int run() {
    if (terminal_) {
      std::printf("%s\n/reset forgets the conversation, /exit or Ctrl-D ends.\n",
                  backend_.description().c_str());
    }
    LineReader lines(STDIN_FILENO);
    for (auto line = next(lines); line && take_line(*line); line = next(lines)) {
    }
    if (terminal_) std::fputc('\n', stdout);
    if (interrupted()) return kInterruptedExitCode;
    finish_output();
    return failed_ ? 1 : 0;
  }

 private:
  std::optional<std::string> next(LineReader& lines) const {
    if (terminal_) std::fputs("> ", stdout);
    std::fflush(stdout);
    return lines.next();
  }

  // False: the chat is over.
  bool take_line(const std::string& line) {
    if (line == "/exit") return false;
    if (line == "/reset") {
      conversation_.reset();
      return true;
    }
    if (line.find_first_not_of(" \t") == std::string::npos) return true;
    conversation_.add_user(line);
    try {
      answer();
    } catch (const UserError& error) {
      say(error.what());
      conversation_.take_back();
      failed_ = true;
    }
    if (!interrupted()) return true;
    // Ctrl-C in a terminal ends the answer; in a script it ends the chat.
    if (terminal_) clear_interrupt();
    return terminal_;
  }

  void answer() {
    std::string text;
    const auto print = [&](std::string_view piece) {
      text += piece;
      std::fwrite(piece.data(), 1, piece.size(), stdout);
      std::fflush(stdout);
    };
    ReplyEnd end = backend_.reply(conversation_.turns(), print);
    while (end == ReplyEnd::kTooLong) {
      if (!conversation_.drop_oldest()) {
        throw UserError("this turn alone fills the context: shorten it, or raise --context");
      }
      say("the context is full: the oldest turn and its answer are forgotten");
      end = backend_.reply(conversation_.turns(), print);
    }
    std::fputc('\n', stdout);
    std::fflush(stdout);
    if (end == ReplyEnd::kCut) say("the answer was cut here: raise --max-tokens for longer ones");
    conversation_.add_assistant(std::move(text));
  }

  static void say(const char* text) {
    std::fflush(stdout);
    std::fprintf(stderr, "troupe: %s\n", text);
  }

  ChatBackend& backend_;
  Conversation conversation_;
  bool terminal_;
  bool failed_ = false;  // a turn got no answer
};

int run_chat(const Flags& flags) {
  watch_interrupts();
  static_cast<void>(flags.sampling.sampling());  // refuses bad flags before the model is loaded
  const auto backend = flags.url ? make_remote_chat(*flags.url, flags.sampling)
                                 : make_local_chat(flags.model, flags.sampling);
  return Chat(*backend, flags.system).run();
}

}  // namespace

void add_chat_command(CLI::App& app, int& exit_code) {
  auto flags = std::make_shared<Flags>();
  CLI::App* command = app.add_subcommand(
      "chat", "A conversation in the terminal; from a pipe, every line is a turn.");
  flags->model.add_to(*command);
  flags->sampling.add_to(*command);
  command->add_option("--url", flags->url, "a running server instead of --model")
      ->type_name("http://HOST:PORT");
  command->add_option("--system", flags->system, "the system turn")->type_name("TEXT");
  command->callback([flags, &exit_code] { exit_code = run_chat(*flags); });
}

}  // namespace troupe::apps
