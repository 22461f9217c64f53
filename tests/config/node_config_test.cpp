#include "config/node_config.hpp"

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <fstream>
#include <set>

#include "config/keys.hpp"
#include "config/limits.hpp"
#include "config/user_error.hpp"

using namespace troupe::config;
using std::string;

namespace {

NodeConfig parse(const string& toml) { return parse_config(toml, "/etc/node", "t.toml"); }

string refusal(const string& toml) {
  try {
    parse(toml);
  } catch (const UserError& error) {
    return error.what();
  }
  return "accepted";
}

string refusal_of_finish(NodeConfig config) {
  try {
    finish_config(config);
  } catch (const UserError& error) {
    return error.what();
  }
  return "accepted";
}

// A value that is right for the key and differs from its default.
string other_value(const Key& key) {
  if (const auto* number = std::get_if<NumberKey>(&key.kind)) return std::to_string(number->max);
  if (const auto* time = std::get_if<MillisecondsKey>(&key.kind)) return std::to_string(time->max);
  if (const auto* choice = std::get_if<ChoiceKey>(&key.kind)) {
    return '"' + string(choice->available.back()) + '"';
  }
  if (std::holds_alternative<AddressKey>(key.kind)) return "\"[::1]:0\"";
  if (std::holds_alternative<EndpointKey>(key.kind)) {
    return "\"ipc:///run/" + string(key.name) + "\"";
  }
  return R"("/a \"quoted\" \\ path\twith ä")";
}

// A choice of one leaves no other value to try.
bool has_one_value(const Key& key) {
  const auto* choice = std::get_if<ChoiceKey>(&key.kind);
  return choice != nullptr && choice->available.size() == 1;
}

string section_with(const Key& key, const string& value) {
  return "[" + string(key.section) + "]\n" + string(key.name) + " = " + value + "\n";
}

}  // namespace

BOOST_AUTO_TEST_SUITE(node_config)

BOOST_AUTO_TEST_CASE(defaults_are_those_of_the_limits_and_paths_start_at_the_folder) {
  const NodeConfig config = parse("");
  BOOST_TEST(config.node.state == "/etc/node/state");
  BOOST_TEST(config.node.logs == "/etc/node/logs");
  BOOST_TEST(config.model.file == "");
  BOOST_TEST(config.node.drain_timeout.count() == kDrainTimeoutDefault.count());
  BOOST_TEST(config.gateway.client_credit == kClientCreditDefault);
  BOOST_TEST(config.batch.sequences_max == kSequencesMaxDefault);
}

BOOST_AUTO_TEST_CASE(every_key_is_read_and_written_back) {
  const NodeConfig config = parse("");
  for (const Key& key : all_keys()) {
    const string toml = section_with(key, other_value(key));
    const NodeConfig read = parse(toml);
    BOOST_TEST_CONTEXT(toml) {
      BOOST_TEST((to_literal(key, read) == to_literal(key, config)) == has_one_value(key));
      BOOST_TEST(to_toml(parse(to_toml(read))) == to_toml(read));
      BOOST_TEST(to_literal(key, parse(to_toml(read))) == to_literal(key, read));
    }
  }
}

BOOST_AUTO_TEST_CASE(a_key_changes_its_own_field_and_no_other) {
  const NodeConfig untouched = parse("");
  for (const Key& changed : all_keys()) {
    const NodeConfig config = parse(section_with(changed, other_value(changed)));
    for (const Key& key : all_keys()) {
      const bool same = to_literal(key, config) == to_literal(key, untouched);
      BOOST_TEST(same == (&key != &changed || has_one_value(key)),
                 changed.full_name() << " and " << key.full_name());
    }
  }
}

BOOST_AUTO_TEST_CASE(the_annotated_file_names_every_key_with_its_default) {
  const std::filesystem::path file = TROUPE_SOURCE_DIR "/config/troupe.toml";
  const NodeConfig annotated = load_config(file);
  BOOST_TEST(to_toml(annotated) == to_toml(parse_config("", file.parent_path(), "")));
  std::ifstream in(file);
  const string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  for (const Key& key : all_keys()) {
    BOOST_TEST((text.find("\n" + string(key.name) + " = ") != string::npos), key.full_name());
  }
}

BOOST_AUTO_TEST_CASE(an_unknown_key_is_refused_with_its_line_and_the_nearest_known_key) {
  BOOST_TEST(refusal("[node]\n\nworker = 2\n") ==
             "t.toml:3: unknown key node.worker; the nearest is node.workers");
  BOOST_TEST(refusal("sequences = 2\n") ==
             "t.toml:1: unknown key sequences; the nearest is batch.sequences_max");
  BOOST_TEST(refusal("[gatewy]\nhttp = \"a:1\"\n") ==
             "t.toml:2: unknown key gatewy.http; the nearest is gateway.http");
  BOOST_TEST(refusal("[nodes]\n").starts_with("t.toml:1: unknown key nodes; the nearest is "));
  BOOST_TEST(refusal("[node.inner]\nx = 1\n").starts_with("t.toml:1: unknown key node.inner;"));
}

BOOST_AUTO_TEST_CASE(an_empty_section_of_ours_is_accepted) {
  BOOST_TEST(refusal("[node]\n[batch]\n") == "accepted");
}

BOOST_AUTO_TEST_CASE(the_first_error_of_the_text_is_the_one_reported) {
  BOOST_TEST(refusal("[node]\nzzz = 1\naaa = 1\n").starts_with("t.toml:2: unknown key node.zzz"));
}

BOOST_AUTO_TEST_CASE(an_ill_typed_value_is_refused_with_what_was_expected_and_found) {
  BOOST_TEST(refusal("[node]\nworkers = \"2\"\n") ==
             "t.toml:2: node.workers must be an integer, found a text");
  BOOST_TEST(refusal("[node]\nworkers = 2.5\n") ==
             "t.toml:2: node.workers must be an integer, found a fraction");
  BOOST_TEST(refusal("[model]\nfile = true\n") ==
             "t.toml:2: model.file must be a text, found a truth value");
  BOOST_TEST(refusal("[gateway]\nhttp = [\"a:1\"]\n") ==
             "t.toml:2: gateway.http must be a text, found a list");
  BOOST_TEST(refusal("[links]\ndispatch_to_worker = 2020-01-01\n") ==
             "t.toml:2: links.dispatch_to_worker must be a text, found a date or time");
}

BOOST_AUTO_TEST_CASE(every_number_is_accepted_at_its_bounds_and_refused_beyond) {
  for (const Key& key : all_keys()) {
    if (!takes_integer(key)) continue;
    const auto [min, max] = std::visit(
        [](const auto& kind) -> std::pair<std::int64_t, std::int64_t> {
          if constexpr (requires { kind.max; }) return {kind.min, kind.max};
          return {0, 0};
        },
        key.kind);
    BOOST_TEST_CONTEXT(key.full_name()) {
      BOOST_TEST(refusal(section_with(key, std::to_string(min))) == "accepted");
      BOOST_TEST(refusal(section_with(key, std::to_string(max))) == "accepted");
      BOOST_TEST(refusal(section_with(key, std::to_string(min - 1))) != "accepted");
      BOOST_TEST(refusal(section_with(key, std::to_string(max + 1))) ==
                 "t.toml:2: " + key.full_name() + " must be " + std::to_string(min) + " … " +
                     std::to_string(max) + ", not " + std::to_string(max + 1));
      BOOST_TEST(refusal(section_with(key, "9223372036854775807")) != "accepted");
    }
  }
}

BOOST_AUTO_TEST_CASE(names_that_are_planned_are_refused_with_what_is_available) {
  BOOST_TEST(refusal("[model]\nkv = \"int8\"\n") == "accepted");
  BOOST_TEST(refusal("[model]\nprecision = \"q4\"\n") == "accepted");
  BOOST_TEST(refusal("[model]\ndevice = \"cuda:1\"\n") ==
             "t.toml:2: model.device \"cuda:1\" is not available yet; available: auto, cpu");
  BOOST_TEST(refusal("[model]\ncpu_backend = \"amx\"\n") == "accepted");
  BOOST_TEST(refusal("[model]\ndevice = \"tpu\"\n") ==
             "t.toml:2: model.device must be one of auto, cpu, not \"tpu\"");
}

BOOST_AUTO_TEST_CASE(addresses_and_endpoints_have_their_form) {
  for (const char* wrong : {"8080", ":8080", "host:", "host:65536", "host:80x", "host:-1", ""}) {
    BOOST_TEST(refusal("[gateway]\nhttp = \"" + string(wrong) + "\"\n") != "accepted", wrong);
  }
  for (const char* wrong :
       {"inproc://door", "udp://a:1", "tcp://nowhere", "ipc://", "", "inproc://"}) {
    BOOST_TEST(refusal("[gateway]\nzmq = \"" + string(wrong) + "\"\n") != "accepted", wrong);
  }
  BOOST_TEST(refusal("[links]\nbatch_to_infer = \"inproc://\"\n") != "accepted");
  BOOST_TEST(refusal("[links]\ndispatch_to_worker = \"inproc://a\"\n") ==
             "t.toml:2: links.dispatch_to_worker must begin with tcp:// (tcp://HOST:PORT) or "
             "ipc://, not \"inproc://a\"");
}

BOOST_AUTO_TEST_CASE(a_relative_ipc_path_starts_at_the_folder) {
  BOOST_TEST(parse("[gateway]\nzmq = \"ipc://door.ipc\"\n").gateway.zmq ==
             "ipc:///etc/node/door.ipc");
  BOOST_TEST(parse("[gateway]\nzmq = \"ipc://@door\"\n").gateway.zmq == "ipc://@door");
}

BOOST_AUTO_TEST_CASE(broken_toml_is_refused_with_line_and_column) {
  BOOST_TEST(refusal("[node]\nworkers = = 2\n").starts_with("t.toml:2:11: not valid TOML: "));
  BOOST_TEST(refusal("[node]\nworkers = 1\nworkers = 2\n").starts_with("t.toml:3:"));
  BOOST_TEST(refusal(string(100'000, '[')) != "accepted");
  BOOST_TEST(refusal(string("\xff\xfe\0\1", 4)) != "accepted");
}

BOOST_AUTO_TEST_CASE(every_refusal_is_one_line) {
  for (const char* toml :
       {"[model]\ndevice = \"a\\nb\"\n", "\"a\\nb\" = 1\n", "[node]\nworkers =\n"}) {
    BOOST_TEST((refusal(toml).find('\n') == string::npos), refusal(toml));
  }
}

BOOST_AUTO_TEST_CASE(finishing_derives_the_worker_endpoint_from_the_state_folder) {
  NodeConfig config = parse("[node]\nstate = \"run\"\n");
  finish_config(config);
  BOOST_TEST(config.links.dispatch_to_worker == "ipc:///etc/node/run/dispatch.ipc");
  const string once = to_toml(config);
  finish_config(config);
  BOOST_TEST(to_toml(config) == once);
}

BOOST_AUTO_TEST_CASE(a_state_folder_too_deep_for_a_socket_is_refused_with_the_remedy) {
  NodeConfig config = parse("");
  config.node.state = "/" + string(kIpcPathBytesMax, 'd');
  BOOST_TEST(refusal_of_finish(config).starts_with("node.state makes the socket path /dd"));
  config = parse("");
  config.gateway.zmq = "ipc:///" + string(kIpcPathBytesMax, 'd');
  BOOST_TEST((refusal_of_finish(config).find("choose a shorter path") != string::npos));
  config.gateway.zmq = "ipc:///" + string(kIpcPathBytesMax - 1, 'd');
  BOOST_TEST(refusal_of_finish(config) == "accepted");
}

BOOST_AUTO_TEST_CASE(finishing_checks_what_flags_set) {
  NodeConfig config = parse("");
  config.node.workers = 0;
  BOOST_TEST(refusal_of_finish(config) == "node.workers must be 1 … 64, not 0");
  config = parse("");
  config.batch.step_tokens_max = 8;
  BOOST_TEST(refusal_of_finish(config).starts_with("batch.step_tokens_max (8) must be at least"));
  config = parse("");
  config.supervision.backoff_max = std::chrono::milliseconds(20);
  BOOST_TEST(refusal_of_finish(config).starts_with(
      "supervision.backoff_max_ms (20) must be at least supervision.backoff_first_ms (50)"));
  config = parse("");
  config.links.batch_to_infer = config.links.infer_to_batch;
  BOOST_TEST(refusal_of_finish(config) ==
             "links.infer_to_batch and links.batch_to_infer are both \"inproc://infer-batch\"; "
             "each "
             "needs an endpoint of its own");
}

BOOST_AUTO_TEST_CASE(a_file_that_cannot_be_read_is_refused_with_the_reason) {
  BOOST_CHECK_EXCEPTION(load_config("/nowhere/t.toml"), UserError, [](const UserError& error) {
    return string(error.what()) ==
           "/nowhere/t.toml: cannot read the configuration: No such file or directory";
  });
  BOOST_CHECK_THROW(load_config("/"), UserError);
  BOOST_CHECK_THROW(load_config("/dev/zero"), UserError);
}

BOOST_AUTO_TEST_SUITE_END()
