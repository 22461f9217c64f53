// The tile unit of one thread, configured for the length of one call. Included by AMX files only.
// Source: Intel 64 and IA-32 manual, volume 1, chapter 18.
#pragma once

namespace {

constexpr std::int32_t kTileRows = 16;

// The memory that LDTILECFG reads.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes_per_row[16] = {};
  std::uint8_t rows[16] = {};
};

inline void load_configuration(const TileConfig& config) {
  // Without this the compiler takes the configuration for a dead store.
  asm volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
}

// g++ 12 does not know that loading a tile reads memory: what vectors stored must be there before.
inline void tiles_read_memory() { asm volatile("" ::: "memory"); }

// Released after the call: a thread that sleeps or is descheduled then carries no tile state.
class TileUnit {
 public:
  // Tiles of 64-byte rows. Sums (0 to 3) and left operands (4, 5) have as many rows as asked for:
  // `upper` those of 0, 1 and 4, `lower` those of 2, 3 and 5. Right operands (6, 7) have 16.
  TileUnit(std::int32_t upper, std::int32_t lower) {
    TileConfig config;
    for (int tile = 0; tile < 8; ++tile) config.bytes_per_row[tile] = 64;
    for (int tile : {0, 1, 4}) config.rows[tile] = static_cast<std::uint8_t>(upper);
    for (const int tile : {2, 3, 5}) config.rows[tile] = static_cast<std::uint8_t>(lower);
    for (const int tile : {6, 7}) config.rows[tile] = kTileRows;
    load_configuration(config);
  }

  TileUnit() : TileUnit(kTileRows, kTileRows) {}

  ~TileUnit() { _tile_release(); }

  TileUnit(const TileUnit&) = delete;
  TileUnit& operator=(const TileUnit&) = delete;
};

}  // namespace
