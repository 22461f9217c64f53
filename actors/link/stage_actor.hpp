// What every stage's actor does alike: an exception keeps its text, and becomes the actor's exit
// reason.
#pragma once

#include <caf/all.hpp>

namespace troupe::actors::link {

// CAF's default handler loses what() (facts: measured with 0.17.6).
inline void name_exceptions(caf::scheduled_actor* self) {
  self->set_exception_handler([](caf::scheduled_actor*, std::exception_ptr& thrown) -> caf::error {
    try {
      std::rethrow_exception(thrown);
    } catch (const std::exception& error) {
      return make_error(caf::sec::runtime_error, std::string(error.what()));
    } catch (...) {
      return make_error(caf::sec::runtime_error, std::string("unknown exception"));
    }
  });
}

}  // namespace troupe::actors::link
