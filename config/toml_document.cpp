#include "config/toml_document.hpp"

#include <algorithm>
#include <stdexcept>

#include "config/user_error.hpp"

namespace troupe::config {

// toml++ 3.3 asserts where broken text can lead it, so its assertion is an exception here.
[[noreturn]] static void toml_cannot_go_on() { throw std::logic_error("unexpected text"); }

}  // namespace troupe::config

#undef NDEBUG  // toml++ would turn the assertions into assumptions
#define TOML_ASSERT(expression) \
  ((expression) ? static_cast<void>(0) : troupe::config::toml_cannot_go_on())
#include <toml++/toml.h>

namespace troupe::config {
namespace {

std::string type_name(const toml::node& node) {
  switch (node.type()) {
    case toml::node_type::table:
      return "a section";
    case toml::node_type::array:
      return "a list";
    case toml::node_type::string:
      return "a text";
    case toml::node_type::integer:
      return "an integer";
    case toml::node_type::floating_point:
      return "a fraction";
    case toml::node_type::boolean:
      return "a truth value";
    default:
      return "a date or time";
  }
}

TomlEntry to_entry(std::string section, std::string name, const toml::node& node) {
  TomlEntry entry{.section = std::move(section),
                  .name = std::move(name),
                  .line = node.source().begin.line,
                  .type = type_name(node),
                  .value = {}};
  if (const auto* text = node.as_string()) entry.value = text->get();
  if (const auto* integer = node.as_integer()) entry.value = integer->get();
  return entry;
}

void append_section(const std::string& section,
                    const toml::table& table,
                    std::vector<TomlEntry>& entries) {
  if (table.empty()) entries.push_back(to_entry(section, "", table));
  for (const auto& [key, node] : table) {
    entries.push_back(to_entry(section, std::string(key.str()), node));
  }
}

}  // namespace

std::string TomlEntry::full_name() const {
  if (section.empty()) return name;
  return name.empty() ? section : section + "." + name;
}

std::vector<TomlEntry> read_toml(std::string_view text, const std::string& name) {
  std::vector<TomlEntry> entries;
  try {
    const toml::table document = toml::parse(text);
    for (const auto& [key, node] : document) {
      const std::string section(key.str());
      if (const toml::table* table = node.as_table()) {
        append_section(section, *table, entries);
      } else {
        entries.push_back(to_entry("", section, node));
      }
    }
  } catch (const toml::parse_error& error) {
    const toml::source_position at = error.source().begin;
    throw UserError(name + ":" + std::to_string(at.line) + ":" + std::to_string(at.column) +
                    ": not valid TOML: " + std::string(error.description()));
  } catch (const std::logic_error& error) {
    throw UserError(name + ": not valid TOML: " + error.what());
  }
  std::ranges::stable_sort(entries, {}, &TomlEntry::line);
  return entries;
}

}  // namespace troupe::config
