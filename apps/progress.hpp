// Tells a waiting person on stderr what is going on, but only when it takes long.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>
#include <thread>

namespace troupe::apps {

// A thread of its own speaks, so that a call that blocks is announced as well. On a terminal one
// line is rewritten and wiped at the end; elsewhere a line is written now and then.
class Progress {
 public:
  explicit Progress(std::string text);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  void update(std::string text);

  // A line that stays.
  void note(const std::string& text);

  // Stops and wipes the line: call it before other output. Idempotent.
  void finish();

 private:
  void speak();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::string text_;
  bool done_ = false;
  bool terminal_ = false;
  std::thread speaker_;
};

}  // namespace troupe::apps
