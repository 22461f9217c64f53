// Against texts that Python's jinja2 made as transformers sets it up:
// scripts/golden/make_jinja_goldens.py.
#include <boost/test/unit_test.hpp>
#include <ctime>
#include <fstream>
#include <iterator>
#include <map>
#include <nlohmann/json.hpp>
#include <random>
#include <string>

#include "jinja/error.hpp"
#include "jinja/template.hpp"
#include "tests/support/model_files.hpp"

using namespace troupe;
using Json = nlohmann::ordered_json;

namespace {

jinja::Value value_of(const Json& json) {
  if (json.is_null()) return {};
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_integer()) return json.get<std::int64_t>();
  if (json.is_number_float()) return json.get<double>();
  if (json.is_string()) return jinja::Value::text(json.get<std::string>());
  if (json.is_array()) {
    jinja::Items items;
    for (const Json& item : json) items.push_back(value_of(item));
    return jinja::Value::list(std::move(items));
  }
  jinja::Dict dict;
  for (const auto& [key, item] : json.items()) dict.set(jinja::Value::text(key), value_of(item));
  return jinja::Value::dict(std::move(dict));
}

// 2024-07-26 12:30, as the goldens have it.
std::time_t golden_time() {
  std::tm time{};
  time.tm_year = 124;
  time.tm_mon = 6;
  time.tm_mday = 26;
  time.tm_hour = 12;
  time.tm_min = 30;
  time.tm_isdst = -1;
  return std::mktime(&time);
}

struct Goldens {
  Goldens() {
    const auto folder = tests::repository() / "tests/jinja/data";
    std::ifstream stream(folder / "goldens.json");
    all = Json::parse(stream);
    for (const Json& golden : all.at("cases")) {
      const auto name = golden.at("template").get<std::string>();
      if (sources.contains(name)) continue;
      std::ifstream file(folder / "templates" / (name + ".jinja"));
      sources[name] = std::string(std::istreambuf_iterator<char>(file), {});
    }
  }

  jinja::Dict variables(const Json& golden) const {
    const auto conversation = golden.at("conversation").get<std::string>();
    jinja::Dict dict;
    const auto set = [&](const char* name, jinja::Value value) {
      dict.set(jinja::Value::text(name), std::move(value));
    };
    set("messages", value_of(all.at("conversations").at(conversation)));
    set("tools", value_of(all.at("tools").at(golden.value("tools", "none"))));
    set("add_generation_prompt", !conversation.starts_with("ends"));
    set("bos_token", jinja::Value::text("<s>"));
    set("eos_token", jinja::Value::text("</s>"));
    return dict;
  }

  Json all;
  std::map<std::string, std::string> sources;
};

// What a rendering came to.
struct Outcome {
  bool failed = false;
  std::string text;  // or the error's
};

Outcome render(const std::string& source, const jinja::Dict& variables) {
  try {
    return {false, jinja::Template(source).render(variables, golden_time())};
  } catch (const std::invalid_argument& error) {
    return {true, error.what()};
  }
}

}  // namespace

BOOST_FIXTURE_TEST_SUITE(goldens, Goldens)

BOOST_AUTO_TEST_CASE(real_templates_render_as_in_python_and_fail_where_it_raises) {
  BOOST_TEST(sources.size() > 25U);
  for (const Json& golden : all.at("cases")) {
    const Outcome outcome = render(sources.at(golden.at("template")), variables(golden));
    const auto where = golden.at("template").get<std::string>() + ", " +
                       golden.at("conversation").get<std::string>();
    BOOST_TEST(outcome.failed == golden.contains("error"), where << ": " << outcome.text);
    // An error without text is one of Python's own, worded otherwise.
    const Json& wanted = golden.contains("error") ? golden.at("error") : golden.at("text");
    if (!wanted.is_null()) BOOST_TEST(outcome.text == wanted.get<std::string>(), where);
  }
}

BOOST_AUTO_TEST_CASE(each_feature_of_the_language_is_as_in_python) {
  std::ifstream stream(tests::repository() / "tests/jinja/data/features.json");
  const Json features = Json::parse(stream);
  BOOST_TEST(features.size() > 30U);
  for (const Json& golden : features) {
    const auto source = golden.at("template").get<std::string>();
    const Outcome outcome = render(source, {});
    BOOST_TEST(outcome.failed == golden.at("text").is_null(), source << ": " << outcome.text);
    if (outcome.failed) continue;
    BOOST_TEST(outcome.text == golden.at("text").get<std::string>(), source);
  }
}

BOOST_AUTO_TEST_CASE(damaged_templates_end_in_text_or_an_error) {
  std::mt19937 random(6);
  const auto below = [&](std::size_t end) { return random() % end; };
  const jinja::Dict values = variables(all.at("cases").at(0));
  const jinja::Limits limits{
      .steps_max = 100'000, .bytes_max = 1 << 22, .output_bytes_max = 1 << 20};
  std::size_t rendered = 0;
  std::size_t refused = 0;
  for (const auto& [name, whole] : sources) {
    for (int round = 0; round < 20; ++round) {
      std::string source = whole;
      for (std::size_t edits = 1 + below(4); edits > 0; --edits) {
        const std::size_t place = below(source.size());
        switch (below(3)) {
          case 0:
            source.erase(place, 1 + below(20));
            break;
          case 1:
            source.insert(place, source.substr(below(source.size()), 1 + below(30)));
            break;
          default:
            source[place] = static_cast<char>(below(256));
        }
      }
      try {
        jinja::Template(source).render(values, 0, limits);
        ++rendered;
      } catch (const std::invalid_argument&) {
        ++refused;
      }
    }
  }
  BOOST_TEST(rendered > 0U);
  BOOST_TEST(refused > 0U);
}

BOOST_AUTO_TEST_CASE(each_bound_is_named_when_it_is_passed) {
  const auto error = [](const std::string& source) { return render(source, {}).text; };
  const auto names = [&](const std::string& source, const std::string& bound) {
    const std::string text = error(source);
    BOOST_TEST(text.find(bound) != std::string::npos, text);
  };
  names("{{ 'a' * 10**9 }}", "bytes");
  names("{{ range(10**9) }}", "MAX_RANGE");
  names("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "more than");
  names("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "nests more than");
  names("{{ " + std::string(10'000, '(') + std::string(10'000, ')') + " }}", "more than 150");
  names(
      "{% set ns = namespace(x=[]) %}{% for i in range(999) %}{% set ns.x = [ns.x] %}{% endfor %}",
      "nested more than");
  names(
      "{{ 1" +
          [] {
            std::string sum;
            for (int i = 0; i < 10'000; ++i) sum += " + 1";
            return sum;
          }() +
          " }}",
      "more than 150");
}

BOOST_AUTO_TEST_SUITE_END()
