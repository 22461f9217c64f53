// TOML text as a flat list of keys with their lines. Hides toml++, which costs seconds a file to
// compile.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace troupe::config {

struct TomlEntry {
  std::string section;  // empty: the key stands before the first [section]
  std::string name;     // empty: the section itself, which has no keys
  std::uint32_t line = 0;
  std::string type;  // as messages call it: "a text", "an integer", "a list" …
  std::variant<std::monostate, std::string, std::int64_t> value;  // monostate: no type that we use

  std::string full_name() const;
};

// In the order of the text. Throws UserError with `name`, line and column for broken TOML.
std::vector<TomlEntry> read_toml(std::string_view text, const std::string& name);

}  // namespace troupe::config
