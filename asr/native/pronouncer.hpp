// The most probable pronunciations of words by a joint letter-phone n-gram (asr/text/letter_to_sound.py).
#pragma once

#include <cstddef>
#include <cstdint>
#include <unordered_map>
#include <utility>
#include <vector>

namespace asr {

// Pairs of a letter with none or more phones, by number. Phones are numbered in the order of their names.
struct LetterPhonePairs {
  std::vector<std::int32_t> letters;       // of each pair
  std::vector<std::int64_t> phone_starts;  // pair i has the phones from phone_starts[i] to phone_starts[i + 1]
  std::vector<std::int32_t> phones;
  std::int32_t start;  // the pair before a word's first
};

// How often pairs follow contexts, which are sequences of pairs, the oldest first.
struct PairCounts {
  std::vector<std::int64_t> context_starts;  // context i has the pairs from context_starts[i] to context_starts[i + 1]
  std::vector<std::int32_t> context_pairs;
  std::vector<double> weights;  // of the shorter context, in counts
  std::vector<double> totals;   // counts of all that follows
  std::vector<std::int64_t> next_starts;  // as above, of the pairs that follow
  std::vector<std::int32_t> next_pairs;
  std::vector<double> next_counts;
};

class Pronouncer {
 public:
  struct Way {
    double score;  // ln P
    std::vector<std::int32_t> phones;
  };

  // order: pairs in the longest n-grams. Throws std::invalid_argument for parts that do not fit each other.
  Pronouncer(std::int32_t order, const LetterPhonePairs& pairs, const PairCounts& counts);

  // The best hypotheses after a word's letters, the end's among them, best first; as many as the beam holds.
  std::vector<Way> best(const std::vector<std::int32_t>& letters, std::size_t beam) const;

  // P(pair | context), the oldest pair first.
  double probability(const std::vector<std::int32_t>& context, std::int32_t pair) const;

 private:
  struct Context {
    double weight, total;
    std::size_t first, end;  // among nexts_
  };
  struct Hypothesis {
    double score;
    std::vector<std::int32_t> history;  // the most recent pairs, the oldest first
    std::vector<std::int32_t> phones;
  };
  struct Step {
    double score;
    std::size_t origin;
    std::int32_t pair;
  };

  std::vector<const Context*> path(const std::vector<std::int32_t>& history) const;
  double probability(const std::vector<const Context*>& path, std::int32_t pair) const;
  std::vector<Hypothesis> extended(const std::vector<Hypothesis>& beam, std::int32_t letter, std::size_t size) const;
  std::vector<std::int32_t> phones_after(const Hypothesis& origin, std::int32_t pair) const;

  std::size_t history_length_;
  LetterPhonePairs pairs_;
  std::vector<std::vector<std::int32_t>> choices_;  // pairs of each letter
  std::vector<Context> contexts_;
  std::vector<std::pair<std::int32_t, double>> nexts_;  // pairs and counts, of each context by pair
  // A tree of contexts from their last pair backwards; node 0 is the empty one.
  std::unordered_map<std::uint64_t, std::int32_t> children_;  // by node << 32 | pair
  std::vector<std::int32_t> node_contexts_;                   // -1: none ends here
};

}  // namespace asr
