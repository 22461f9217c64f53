// The lines of access.log and error.log. They hold no text of prompts or answers.
#pragma once

#include <cstdint>
#include <string>

#include "actors/observe/log_file.hpp"

namespace troupe::actors::observe {

// One request, written when it ended.
struct AccessRecord {
  std::string proto;         // http, zmq
  std::string method;        // POST; the kind of frame behind zmq
  std::string path;          // without its query
  std::uint32_t status = 0;  // of HTTP; 0 behind zmq
  std::string request_id;    // as the client sees it
  std::uint32_t prompt_tokens = 0;
  std::uint32_t produced_tokens = 0;
  std::string finish;           // stop, length, cancelled, deadline, error, or why it was refused
  double duration_s = 0.0;      // from its arrival to the last byte handed to the system
  double first_token_s = -1.0;  // negative: no token came

  std::string to_line() const;
};

// Something that should not have happened and was survived: a refused frame, a failed write, a lost
// worker.
struct ErrorRecord {
  std::string where;       // the stage or the link
  std::string code;        // a short stable word
  std::string text;        // for people
  std::string request_id;  // empty: none

  std::string to_line() const;
};

}  // namespace troupe::actors::observe
