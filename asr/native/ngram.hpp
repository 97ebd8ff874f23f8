// Back-off n-gram models as open-addressing hash tables; every score equals KenLM's.
//
// An n-gram of two or more words is found by a 64-bit hash of its word ids, newest first, as in KenLM's probing model
// (Heafield 2011, "KenLM: faster and smaller language model queries").
#pragma once

#include <array>
#include <cstdint>

#include "array.hpp"
#include "hashing.hpp"

namespace asr {

constexpr int kMaxOrder = 6;
constexpr std::int32_t kNoWord = -1;

// The word ids before a word, newest first; kNoWord where they end.
using NgramContext = std::array<std::int32_t, kMaxOrder>;

// One slot of a table, as it lies in the file: a cache line holds four. A key of 0 marks an empty slot.
struct NgramSlot {
  std::uint64_t key;
  float log_prob;  // natural logs, as is the back-off weight
  float backoff;
};

class NgramTables {
 public:
  // slots: the tables of orders 2, 3, ... one after the other; table n begins at starts[n - 2] and has a power of two
  // of slots. Throws std::invalid_argument for tables that could not be searched.
  NgramTables(int order, Array<float> unigram_log_probs, Array<float> unigram_backoffs, Array<NgramSlot> slots,
              const Array<std::int64_t>& starts);

  // ln P(word | context). Both must hold ids of this model.
  double score(const NgramContext& context, std::int32_t word) const;

  int order() const { return order_; }
  std::size_t vocabulary_size() const { return unigram_log_probs_.size(); }

 private:
  const NgramSlot* find(int order, std::uint64_t key) const;

  int order_;
  Array<float> unigram_log_probs_, unigram_backoffs_;
  Array<NgramSlot> slots_;
  std::array<std::size_t, kMaxOrder> starts_{};
  std::array<std::uint64_t, kMaxOrder> masks_{};
};

// Put the n-grams of one order into its empty table, whose size is a power of two above `count`.
// grams: (count, order) word ids, oldest first.
void fill_ngrams(const std::int32_t* grams, std::size_t count, int order, const float* log_probs,
                 const float* backoffs, NgramSlot* slots, std::size_t slot_count);

inline const NgramSlot* NgramTables::find(int order, std::uint64_t key) const {
  const NgramSlot* table = slots_.data() + starts_[order - 2];
  const std::uint64_t mask = masks_[order - 2];
  for (std::uint64_t slot = key & mask;; slot = (slot + 1) & mask) {
    if (table[slot].key == key) return table + slot;
    if (table[slot].key == 0) return nullptr;
  }
}

inline double NgramTables::score(const NgramContext& context, std::int32_t word) const {
  double best = unigram_log_probs_[word];
  double backoff = 0.0;
  std::uint64_t key = join_ngram(1, word);
  std::uint64_t context_key = 1;
  for (int length = 1; length < order_; ++length) {
    const std::int32_t older = context[length - 1];
    if (older < 0) break;
    // The back-off weight of the longer context counts only if the n-gram with that context is not there.
    context_key = join_ngram(context_key, older);
    double weight;
    if (length == 1) {
      weight = unigram_backoffs_[older];
    } else {
      const NgramSlot* known = find(length, context_key);
      if (known == nullptr) break;
      weight = known->backoff;
    }
    key = join_ngram(key, older);
    if (const NgramSlot* longer = find(length + 1, key)) {
      best = longer->log_prob;
      backoff = 0.0;
    } else {
      backoff += weight;
    }
  }
  return best + backoff;
}

}  // namespace asr
