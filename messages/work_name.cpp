// The name of a work item whose rest nobody can read.
#include <functional>
#include <map>
#include <string>

#include "messages/wire_kinds.hpp"

namespace troupe::messages {
namespace {

// Takes whole numbers off the outermost map of a msgpack body while it is parsed, and stops the
// parser when it has them all or goes too deep: nothing is allocated for what follows.
class NumberReader : public msgpack::null_visitor {
 public:
  explicit NumberReader(WorkItem& item)
      : wanted_{{"front_epoch", [&item](std::uint64_t value) { item.front_epoch = value; }},
                {"request_id", [&item](std::uint64_t value) { item.request_id = value; }},
                {"attempt", [&item](std::uint64_t value) {
                   item.attempt = static_cast<std::uint32_t>(value);
                 }}} {}

  bool has_all() const { return wanted_.empty(); }

  bool visit_positive_integer(std::uint64_t value) {
    const auto found = wanted_.find(key_);
    if (depth_ != 1 || is_key_ || found == wanted_.end()) return true;
    found->second(value);
    wanted_.erase(found);
    return !has_all();
  }

  bool visit_str(const char* text, std::uint32_t size) {
    if (depth_ == 1 && is_key_) key_.assign(text, size);
    return true;
  }

  bool start_map(std::uint32_t) { return ++depth_ <= kDepthMax; }

  bool start_array(std::uint32_t) { return ++depth_ <= kDepthMax; }

  bool end_map() { return end_container(); }

  bool end_array() { return end_container(); }

  bool start_map_key() { return set_key(true); }

  bool end_map_key() { return set_key(false); }

 private:
  bool end_container() {
    --depth_;
    return true;
  }

  bool set_key(bool begins) {
    if (depth_ == 1) is_key_ = begins;
    return true;
  }

  // As deep as a body that can be read may nest (wire.cpp).
  static constexpr int kDepthMax = 12;

  std::map<std::string, std::function<void(std::uint64_t)>, std::less<>> wanted_;
  std::string key_;
  bool is_key_ = false;
  int depth_ = 0;
};

}  // namespace

bool read_work_name(std::string_view frame, WorkItem& item) {
  Header header;
  if (!read_header(frame, header).empty() || header.kind != Kind::kWorkItem) return false;
  NumberReader reader(item);
  std::size_t offset = kHeaderBytes;
  (void)msgpack::parse(frame.data(), frame.size(), offset, reader);
  return reader.has_all();
}

}  // namespace troupe::messages
