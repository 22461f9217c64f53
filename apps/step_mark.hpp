// What a worker's step computes, in a file of shared memory that outlives the worker: after a crash
// it tells whose work the worker died in.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace troupe::apps {

class StepMark {
 public:
  // Makes STATE/WORKER.GENERATION.step with room for `most` requests. Throws config::UserError.
  StepMark(const std::filesystem::path& state,
           const std::string& worker,
           std::uint64_t generation,
           std::size_t most);
  ~StepMark();
  StepMark(const StepMark&) = delete;
  StepMark& operator=(const StepMark&) = delete;

  // A crash from here on is one of these requests' work. At most `most`.
  void begin(std::span<const std::uint64_t> request_ids);

  void end();

 private:
  std::filesystem::path file_;
  std::size_t most_;
  std::uint64_t* words_ = nullptr;  // [1 + most]: count, ids
};

// Reads and removes what a dead worker left. Empty when it died between steps, or left nothing.
std::vector<std::uint64_t> take_step_mark(const std::filesystem::path& state,
                                          const std::string& worker,
                                          std::uint64_t generation);

// Removes what the workers of a node left whose root was killed.
void remove_step_marks(const std::filesystem::path& state);

}  // namespace troupe::apps
