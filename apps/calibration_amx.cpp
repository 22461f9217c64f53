#include "apps/calibration_amx.hpp"

#include <immintrin.h>

namespace troupe::apps::amx {
namespace {

// The memory that LDTILECFG reads. Source: Intel 64 and IA-32 manual, volume 1, section 18.
struct alignas(64) TileConfig {
  std::uint8_t palette = 1;
  std::uint8_t start_row = 0;
  std::uint8_t reserved[14] = {};
  std::uint16_t bytes_per_row[16] = {};
  std::uint8_t rows[16] = {};
};

}  // namespace

// Six accumulators and two operands fill the eight tiles; products that do not wait for one another
// keep the unit full.
void run_rounds(std::uint64_t rounds) {
  TileConfig config;
  for (int tile = 0; tile < 8; ++tile) {
    config.bytes_per_row[tile] = 64;
    config.rows[tile] = 16;
  }
  // Without this the compiler takes the configuration for a dead store.
  asm volatile("" ::"r"(&config) : "memory");
  _tile_loadconfig(&config);
  _tile_zero(0);
  _tile_zero(1);
  _tile_zero(2);
  _tile_zero(3);
  _tile_zero(4);
  _tile_zero(5);
  _tile_zero(6);
  _tile_zero(7);
  for (std::uint64_t round = 0; round < rounds; ++round) {
    _tile_dpbssd(0, 6, 7);
    _tile_dpbssd(1, 6, 7);
    _tile_dpbssd(2, 6, 7);
    _tile_dpbssd(3, 6, 7);
    _tile_dpbssd(4, 6, 7);
    _tile_dpbssd(5, 6, 7);
    _tile_dpbssd(0, 7, 6);
    _tile_dpbssd(1, 7, 6);
  }
  _tile_release();
}

}  // namespace troupe::apps::amx
