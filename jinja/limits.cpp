#include "jinja/limits.hpp"

#include <string>

#include "jinja/error.hpp"

namespace troupe::jinja {

void Budget::charge(std::uint64_t bytes) {
  if (bytes > limits_.bytes_max - bytes_) {
    throw RenderError("the template makes values of more than " +
                      std::to_string(limits_.bytes_max) + " bytes");
  }
  bytes_ += bytes;
  charge_work(bytes);
}

void Budget::charge_output(std::uint64_t bytes) {
  if (bytes > limits_.output_bytes_max - output_bytes_) {
    throw RenderError("the template renders more than " + std::to_string(limits_.output_bytes_max) +
                      " bytes");
  }
  output_bytes_ += bytes;
}

void Budget::fail_steps() const {
  throw RenderError("the template takes more than " + std::to_string(limits_.steps_max) + " steps");
}

void Budget::fail_depth() const {
  throw RenderError("the template nests more than " + std::to_string(limits_.depth_max) +
                    " evaluations");
}

}  // namespace troupe::jinja
