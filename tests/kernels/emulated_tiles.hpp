// The tile unit's instructions in software: kernels/cpu/amx_*.cpp, compiled once more with this
// header before them, run on every CPU that has the vectors that they use beside tiles. Slow, and
// the same bits as the unit's. It also reads memory where a sanitizer sees it.
// Source: Intel 64 and IA-32 manual, volume 2, LDTILECFG, TILELOADD, TILESTORED, TDPBSSD,
// TDPBF16PS, and section 2.10, the exception classes AMX-E1 to AMX-E5.
#pragma once

#include <immintrin.h>

#include <cstddef>
#include <cstdint>

// Of the calling thread's unit. Each refuses what the CPU would raise an exception for.
namespace troupe::kernels::emulated_tiles {

// Told "#GP: …" or "#UD: …" instead of an exception of the CPU; the process ends when it returns.
// The first one writes a line on standard error; a test's may throw.
using Fault = void (*)(const char* what);

Fault set_fault(Fault fault);  // returns the one before; not beside tiles in use

// That all threads have multiplied since the process began.
std::uint64_t products_done();

void configure(const void* config);  // 64 bytes, as LDTILECFG reads them; zeroes all tiles
void release();
void clear(int tile);
void load(int tile, const void* from, std::ptrdiff_t stride);
void store(int tile, void* to, std::ptrdiff_t stride);
void multiply_int8(int sums, int left, int right);
void multiply_bf16(int sums, int left, int right);

}  // namespace troupe::kernels::emulated_tiles

#undef _tile_loadconfig
#undef _tile_release
#undef _tile_zero
#undef _tile_loadd
#undef _tile_stored
#undef _tile_dpbssd
#undef _tile_dpbf16ps
#define _tile_loadconfig ::troupe::kernels::emulated_tiles::configure
#define _tile_release ::troupe::kernels::emulated_tiles::release
#define _tile_zero ::troupe::kernels::emulated_tiles::clear
#define _tile_loadd ::troupe::kernels::emulated_tiles::load
#define _tile_stored ::troupe::kernels::emulated_tiles::store
#define _tile_dpbssd ::troupe::kernels::emulated_tiles::multiply_int8
#define _tile_dpbf16ps ::troupe::kernels::emulated_tiles::multiply_bf16
