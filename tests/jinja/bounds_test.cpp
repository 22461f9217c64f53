// Templates that mean harm: each must end in an error that names a bound, with the memory of a
// rendering bounded and all of it given back.
#include <malloc.h>

#include <algorithm>
#include <boost/test/unit_test.hpp>
#include <cstdlib>
#include <new>
#include <string>

#include "jinja/error.hpp"
#include "jinja/template.hpp"

using namespace troupe;

namespace {

// Bytes that operator new has given out and not yet got back, and the most since a reset.
std::size_t living = 0;
std::size_t living_max = 0;

}  // namespace

void* operator new(std::size_t size) {
  void* made = std::malloc(size);
  if (made == nullptr) throw std::bad_alloc();
  living += malloc_usable_size(made);
  living_max = std::max(living_max, living);
  return made;
}

void operator delete(void* made) noexcept {
  if (made != nullptr) living -= malloc_usable_size(made);
  std::free(made);
}

void operator delete(void* made, std::size_t) noexcept { operator delete(made); }

namespace {

// The text, or the error's.
std::string render(const std::string& source, const jinja::Limits& limits = {}) {
  try {
    return jinja::Template(source).render({}, 0, limits);
  } catch (const jinja::RenderError& error) {
    return error.what();
  }
}

void names(const std::string& source, const std::string& bound, const jinja::Limits& limits = {}) {
  const std::string text = render(source, limits);
  BOOST_TEST(text.find(bound) != std::string::npos, source << ": " << text.substr(0, 200));
}

// What is left of memory by one rendering more.
std::size_t kept_by(const std::string& source) {
  render(source);  // what a first use keeps for good
  const std::size_t before = living;
  render(source);
  return living - before;
}

const std::string kLong = "{% set big = 'x' * 1000000 %}";

}  // namespace

BOOST_AUTO_TEST_SUITE(bounds)

BOOST_AUTO_TEST_CASE(a_chain_of_methods_is_as_deep_as_the_lists_in_it) {
  names(
      "{% set ns = namespace(x=0) %}{% for i in range(99999) %}"
      "{% set ns.x = [ns.x].index %}{% endfor %}",
      "nested more than");
}

BOOST_AUTO_TEST_CASE(a_chain_of_loops_is_taken_apart_without_recursion) {
  BOOST_TEST(
      render("{% set ns = namespace(x=0) %}{% for j in range(3) %}{% for i in range(99999) %}"
             "{% for y in [ns.x] %}{% set ns.x = loop %}{% endfor %}{% endfor %}{% endfor %}"
             "done") == "done");
}

BOOST_AUTO_TEST_CASE(what_is_compared_is_counted_and_one_object_equals_itself) {
  const std::string grow =
      "{% set ns = namespace(a=[1], b=[1]) %}{% for i in range(90) %}"
      "{% set ns.a = [ns.a, ns.a] %}{% set ns.b = [ns.b, ns.b] %}{% endfor %}";
  BOOST_TEST(render(grow + "{{ ns.a == ns.a }} {{ ns.a < ns.a }}") == "True False");
  names(grow + "{{ ns.a == ns.b }}", "steps");
  names(grow + "{{ ns.a < ns.b }}", "steps");
  names(grow + "{{ ns.a in [ns.b] }}", "steps");
  BOOST_TEST(render("{% set n = 'nan'|float %}{{ n == n }}") == "False");
}

BOOST_AUTO_TEST_CASE(the_key_of_a_tuple_is_charged_as_it_grows) {
  names(
      "{% set ns = namespace(t=(1,)) %}{% for i in range(90) %}{% set ns.t = (ns.t, ns.t) %}"
      "{% endfor %}{{ {ns.t: 1} }}",
      "bytes");
}

BOOST_AUTO_TEST_CASE(every_way_to_keep_values_is_charged) {
  const jinja::Limits limits{.bytes_max = 6 << 20};
  for (const char* way : {"namespace({big: i})",
                          "{big: i}",
                          "{}[i]",
                          "[1].index",
                          "range",
                          "'abcd'|list",
                          "'a'[0]",
                          "('a ' * 99).split()",
                          "('a\n' * 99).splitlines()",
                          "(('<' * 99)|escape)",
                          "[[], ()]",
                          "(['\\x01' * 99]|tojson)",
                          "(['\\x01' * 99]|string)",
                          "missing",
                          "{1: 2}.items()"}) {
    std::string source = kLong +
                         "{% set ns = namespace(l=[]) %}{% for i in range(90) %}"
                         "{% set ns.l = [ns.l";
    for (int i = 0; i < 1000; ++i) source += std::string(", ") + way;
    const jinja::Template made(source + "] %}{% endfor %}");
    const std::size_t before = living;
    living_max = living;
    const auto is_bytes = [](const jinja::RenderError& error) {
      return std::string(error.what()).find("bytes") != std::string::npos;
    };
    BOOST_CHECK_EXCEPTION(made.render({}, 0, limits), jinja::RenderError, is_bytes);
    BOOST_TEST(living_max - before < limits.bytes_max + 2'000'000, way);
  }
}

BOOST_AUTO_TEST_CASE(a_rendering_gives_back_all_that_it_took) {
  const std::string ns = "{% set ns = namespace(l=1, f=1) %}";
  for (const std::string& source :
       {ns + "{% for x in [1] %}{{ loop.changed(loop) }}{% endfor %}",
        ns + "{% with %}{% for x in [1] %}{% set ns.l = loop %}{% endfor %}{% set k = ns.l %}"
             "{% endwith %}",
        ns + "{% with %}{% with %}{% macro m() %}{% endmacro %}{% set ns.f = m %}{% endwith %}"
             "{% set g = ns.f %}{% endwith %}",
        ns + "{% for x in [1] %}{{ loop.changed(loop) }}{{ raise_exception('no') }}{% endfor %}",
        ns + "{% set ns.l = ns %}"}) {
    BOOST_TEST(kept_by(source) == 0U, source);
  }
}

BOOST_AUTO_TEST_CASE(a_search_takes_time_linear_in_both_texts) {
  const std::string texts =
      "{% set text = 'a' * 4000000 %}{% set half = 'a' * 1000000 %}"
      "{% set wanted = half + 'b' + half %}{% set last = 'b' + half %}";
  for (const char* call : {"wanted in text",
                           "text.find(wanted)",
                           "text.rfind(last)",
                           "text.count(wanted)",
                           "text.partition(wanted)[1]|length",
                           "text.rpartition(last)[1]|length",
                           "text.split(wanted)|length",
                           "text.rsplit(last)|length",
                           "text.replace(wanted, '')|length"}) {
    const std::string text = render(texts + "{{ " + call + " }}");
    BOOST_TEST(text.size() < 10U, call << ": " << text.substr(0, 200));
  }
  BOOST_TEST(render("{{ 'abcabcab'.rfind('cab') }} {{ 'aabaab'.rfind('aab') }} {{ 'ab'.rfind('') }}"
                    " {{ 'xaaay'.rsplit('aa', 1) }}") == "5 3 2 ['xa', 'y']");
  BOOST_TEST(render("{{ 'abc'.find('', 3, 3) }} {{ 'abc'.find('', 1, 1) }}") == "3 1");
}

BOOST_AUTO_TEST_CASE(each_search_and_each_item_counts) {
  const jinja::Limits limits{.steps_max = 100'000};
  const std::string loop = "{% for i in range(999) %}";
  for (const char* call : {"big.partition('y')",
                           "big.count('y')",
                           "big.rfind('y')",
                           "'y' in big",
                           "big.isalpha()",
                           "big == big ~ ''"}) {
    names(kLong + loop + "{% set x = " + call + " %}{% endfor %}", "steps", limits);
  }
  names("{% set x = range(99999)|map(attribute='" + std::string("a.a.a") +
            "', default={'a': 1})|list %}",
        "steps",
        limits);
  // A message quotes a key's beginning alone.
  names(kLong + "{% for i in range(99999) %}{% set x = {}[big] %}{% endfor %}", "steps");
  // The start of a text is looked at without a copy of the whole.
  BOOST_TEST(render(kLong +
                    "{% for i in range(9999) %}{% set x = big.startswith('x') %}{% endfor %}"
                    "done") == "done");
}

BOOST_AUTO_TEST_CASE(the_length_of_a_filtered_loop_is_found_once) {
  BOOST_TEST(render("{% for i in range(3000) if i % 2 %}{{ loop.length if loop.first }}"
                    "{% set x = loop.length + loop.revindex %}{% endfor %}",
                    jinja::Limits{.steps_max = 300'000}) == "1500");
  BOOST_TEST(render("{% for i in range(7) if i % 2 %}{{ i }}{{ loop.revindex }}{{ loop.last }} "
                    "{% endfor %}") == "13False 32False 51True ");
}

BOOST_AUTO_TEST_CASE(numbers_beyond_their_range_are_refused) {
  names("{{ 9223372036854775807 | round(-1) }}", "64 bits");
  BOOST_TEST(render("{{ 25|round(-1) }} {{ 35|round(-1) }} {{ -15|round(-1) }} {{ 7|round(-30) }} "
                    "{{ 12345678901234567|round(-1) }}") == "20 40 -20 0 12345678901234570");
  names("{{ '%c' % -1 }}", "%c arg");
  names("{{ '%c' % 55296 }}", "surrogate");
  names("{{ 'abc'.find('a', 'x') }}", "slice indices");
}

BOOST_AUTO_TEST_SUITE_END()
