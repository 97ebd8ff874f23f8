// 64-bit hashes of sequences of numbers: word histories, prefixes, n-grams, the bytes of a file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

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

// A checksum of bytes, against damage and not against intent. Part of the format of caches, which stay on one machine.
inline std::uint64_t checksum(const std::uint8_t* bytes, std::size_t size) {
  constexpr std::size_t kLanes = 8;  // sums that do not wait for each other
  std::uint64_t lanes[kLanes], words[kLanes];
  for (std::size_t lane = 0; lane < kLanes; ++lane) lanes[lane] = 0x9E3779B97F4A7C15u * (lane + 1);
  const auto add = [&] {
    for (std::size_t lane = 0; lane < kLanes; ++lane) {
      lanes[lane] = (lanes[lane] ^ words[lane]) * 0xD6E8FEB86659FD93u;
      lanes[lane] ^= lanes[lane] >> 32;
    }
  };
  std::size_t at = 0;
  for (; at + sizeof words <= size; at += sizeof words) {
    std::memcpy(words, bytes + at, sizeof words);
    add();
  }
  std::memset(words, 0, sizeof words);
  if (at < size) std::memcpy(words, bytes + at, size - at);
  add();
  std::uint64_t sum = size;
  for (const std::uint64_t lane : lanes) sum = join(sum, static_cast<std::int64_t>(lane));
  return sum;
}

// The smallest power of two that is at least `size`.
inline std::size_t power_of_two(std::size_t size) {
  std::size_t power = 1;
  while (power < size) power *= 2;
  return power;
}

}  // namespace asr
