#include "jinja/find_text.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

namespace troupe::jinja {
namespace {

constexpr std::size_t kNowhere = std::string_view::npos;

// How many bytes of a text are searched between two looks at the budget.
constexpr std::size_t kPieceBytes = std::size_t{64} << 10;
// The same for the slower search from the end.
constexpr std::size_t kBytesALook = 64;

// memmem() of glibc is linear (Crochemore and Perrin) but for what is sought in at most 256 bytes,
// which it may compare at each place.
std::uint64_t work_of(std::size_t searched, std::size_t wanted) {
  return searched * (1 + std::min<std::size_t>(wanted, 256) / 32) + wanted;
}

}  // namespace

std::size_t find_text(Budget& budget,
                      std::string_view text,
                      std::string_view wanted,
                      std::size_t begin) {
  if (wanted.empty()) return begin <= text.size() ? begin : kNowhere;
  while (begin <= text.size() && wanted.size() <= text.size() - begin) {
    // Pieces overlap by what is sought, so they are several times as long.
    const std::size_t places = std::max(kPieceBytes, 4 * wanted.size());
    const std::string_view piece = text.substr(begin, places + wanted.size());
    const void* found = memmem(piece.data(), piece.size(), wanted.data(), wanted.size());
    const std::size_t place =
        found == nullptr ? kNowhere
                         : static_cast<std::size_t>(static_cast<const char*>(found) - piece.data());
    budget.charge_work(work_of(std::min(place, piece.size()), wanted.size()));
    if (found != nullptr) return begin + place;
    begin += places;
  }
  return kNowhere;
}

// Knuth, Morris and Pratt, from the end of both texts.
std::size_t find_last_text(Budget& budget, std::string_view text, std::string_view wanted) {
  if (wanted.empty()) return text.size();
  if (wanted.size() > text.size()) return kNowhere;
  const auto back = [](std::string_view whole, std::size_t i) {
    return whole[whole.size() - 1 - i];
  };
  budget.charge(wanted.size() * sizeof(std::size_t));
  // For each end of `wanted`, how many bytes of it begin it anew.
  std::vector<std::size_t> borders(wanted.size(), 0);
  for (std::size_t i = 1, fits = 0; i < wanted.size(); ++i) {
    while (fits > 0 && back(wanted, i) != back(wanted, fits)) fits = borders[fits - 1];
    if (back(wanted, i) == back(wanted, fits)) ++fits;
    borders[i] = fits;
  }
  for (std::size_t i = 0, fits = 0; i < text.size(); ++i) {
    if (i % kBytesALook == 0) budget.charge_work(2 * kBytesALook);
    while (fits > 0 && back(text, i) != back(wanted, fits)) fits = borders[fits - 1];
    if (back(text, i) == back(wanted, fits)) ++fits;
    if (fits == wanted.size()) return text.size() - 1 - i;
  }
  return kNowhere;
}

}  // namespace troupe::jinja
