// The infer stage, driven by messages.
#include "actors/infer/infer_actor.hpp"

#include <boost/test/unit_test.hpp>
#include <memory>
#include <string>
#include <vector>

#include "tests/actors/infer/served.hpp"

namespace troupe::tests {
namespace {

BOOST_AUTO_TEST_SUITE(infer_stage)

BOOST_AUTO_TEST_CASE(a_step_behind_a_lost_one_is_not_computed_but_ends_the_stage) {
  caf::actor_system_config config;
  config.add_message_types<caf::id_block::troupe>();
  std::vector<std::uint64_t> computed;
  std::string why;
  {
    caf::actor_system system(config);
    auto engine = std::make_shared<TinyEngine>(TinyEngine::Options{});
    const caf::actor stage = actors::supervision::spawn_stage(
        system,
        actors::infer::infer_stage(
            std::shared_ptr<actors::infer::Engine>(engine, &engine->engine),
            {.before_step = [&](const messages::Batch& batch) { computed.push_back(batch.step); },
             .after_step = [] {}}),
        std::make_shared<actors::supervision::StageTable>());
    caf::scoped_actor supervisor(system);
    supervisor->send(stage, caf::reset_atom_v, std::uint64_t{1});
    supervisor->receive([](caf::ok_atom, std::uint64_t, std::int64_t) {});
    for (const std::uint64_t step : {1U, 2U, 4U, 5U}) {
      caf::anon_send(stage, messages::Batch{.step = step});
    }
    supervisor->receive(
        [&](caf::close_atom, std::uint64_t, std::int64_t, const std::string& text) { why = text; });
    caf::anon_send_exit(stage, caf::exit_reason::user_shutdown);
  }
  BOOST_TEST(why == "step 4 came behind step 2: what was between them was lost");
  BOOST_TEST(computed == (std::vector<std::uint64_t>{1, 2}));
}

BOOST_AUTO_TEST_SUITE_END()

}  // namespace
}  // namespace troupe::tests
