#include "ngram.hpp"

#include <stdexcept>
#include <string>
#include <utility>

namespace asr {

NgramTables::NgramTables(int order, Array<float> unigram_log_probs, Array<float> unigram_backoffs,
                         Array<NgramSlot> slots, const Array<std::int64_t>& starts)
    : order_(order),
      unigram_log_probs_(std::move(unigram_log_probs)),
      unigram_backoffs_(std::move(unigram_backoffs)),
      slots_(std::move(slots)) {
  if (order < 1 || order > kMaxOrder) throw std::invalid_argument("an n-gram model's order must be 1 to 6");
  if (unigram_backoffs_.size() != unigram_log_probs_.size()) throw std::invalid_argument("unigrams differ in length");
  if (starts.size() != static_cast<std::size_t>(order)) throw std::invalid_argument("a table lacks its place");
  for (int table = 0; table + 1 < order; ++table) {
    const std::int64_t first = starts[table], end = starts[table + 1];
    if (first < 0 || end <= first || static_cast<std::size_t>(end) > slots_.size())
      throw std::invalid_argument("an n-gram table lies outside its array");
    const std::size_t size = static_cast<std::size_t>(end - first);
    if ((size & (size - 1)) != 0) throw std::invalid_argument("an n-gram table's size must be a power of two");
    bool has_empty = false;  // without an empty slot a search for what is not there would not end
    for (std::size_t slot = 0; slot < size && !has_empty; ++slot) has_empty = slots_[first + slot].key == 0;
    if (!has_empty) throw std::invalid_argument("an n-gram table has no empty slot");
    starts_[table] = static_cast<std::size_t>(first);
    masks_[table] = size - 1;
  }
}

void fill_ngrams(const std::int32_t* grams, std::size_t count, int order, const float* log_probs,
                 const float* backoffs, NgramSlot* slots, std::size_t slot_count) {
  if (slot_count == 0 || (slot_count & (slot_count - 1)) != 0 || slot_count <= count)
    throw std::invalid_argument("an n-gram table's size must be a power of two above the number of n-grams");
  const std::uint64_t mask = slot_count - 1;
  for (std::size_t row = 0; row < count; ++row) {
    std::uint64_t key = 1;
    for (int word = order - 1; word >= 0; --word) key = join_ngram(key, grams[row * order + word]);
    std::uint64_t slot = key & mask;
    while (slots[slot].key != 0) slot = (slot + 1) & mask;
    slots[slot] = {key, log_probs[row], backoffs[row]};
  }
}

}  // namespace asr
