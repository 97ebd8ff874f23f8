// 64-bit hashes of sequences of numbers: word histories, prefixes, n-grams.
#pragma once

#include <cstdint>

namespace asr {

// The hash of a sequence with one more number. Negative numbers are taken as their 64-bit two's complement.
inline std::uint64_t join(std::uint64_t hash, std::int64_t value) {
  std::uint64_t mixed = (hash ^ (static_cast<std::uint64_t>(value) + 0x9E3779B97F4A7C15u)) * 0xD6E8FEB86659FD93u;
  mixed ^= mixed >> 32;
  return mixed * 0xD6E8FEB86659FD93u;
}

// The key of an n-gram with one more (older) word; never 0, which marks an empty slot. Part of the format of tables.
inline std::uint64_t join_ngram(std::uint64_t key, std::int32_t word) {
  key = (key ^ (static_cast<std::uint64_t>(word) + 0x9E3779B97F4A7C15u)) * 0xBF58476D1CE4E5B9u;
  key ^= key >> 29;
  key *= 0x94D049BB133111EBu;
  key ^= key >> 32;
  return key != 0 ? key : 1;
}

// The smallest power of two that is at least `size`.
inline std::size_t power_of_two(std::size_t size) {
  std::size_t power = 1;
  while (power < size) power *= 2;
  return power;
}

}  // namespace asr
