#include "apps/progress.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <utility>

namespace troupe::apps {
namespace {

using namespace std::chrono_literals;

// Whoever waits less than this needs no word.
constexpr auto kPatience = 1s;
constexpr auto kTerminalInterval = 200ms;
// In a log file a line more often than this is noise.
constexpr auto kLogInterval = 10s;

}  // namespace

Progress::Progress(std::string text)
    : text_(std::move(text)),
      terminal_(isatty(STDERR_FILENO) == 1),
      speaker_([this] { speak(); }) {}

Progress::~Progress() { finish(); }

void Progress::update(std::string text) {
  const std::lock_guard lock(mutex_);
  text_ = std::move(text);
}

void Progress::note(const std::string& text) {
  const std::lock_guard lock(mutex_);
  std::fprintf(stderr, terminal_ ? "\r\033[Ktroupe: %s\n" : "troupe: %s\n", text.c_str());
  std::fflush(stderr);
}

void Progress::finish() {
  {
    const std::lock_guard lock(mutex_);
    done_ = true;
  }
  wake_.notify_one();
  if (speaker_.joinable()) speaker_.join();
}

void Progress::speak() {
  std::unique_lock lock(mutex_);
  const auto is_done = [this] { return done_; };
  if (wake_.wait_for(lock, kPatience, is_done)) return;
  do {
    // \033[K wipes what a longer text left (ECMA-48, erase in line).
    std::fprintf(stderr, terminal_ ? "\r%s …\033[K" : "%s …\n", text_.c_str());
    std::fflush(stderr);
  } while (!wake_.wait_for(lock, terminal_ ? kTerminalInterval : kLogInterval, is_done));
  if (terminal_) std::fputs("\r\033[K", stderr);
}

}  // namespace troupe::apps
