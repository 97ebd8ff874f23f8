// A lexicon as a prefix tree of tokens on flat arrays.
//
// Nodes are numbered breadth first: node 0 is the root, siblings lie side by side, and a parent's number is below its
// children's. The children of a node have the places from child_starts[node] to child_starts[node + 1]; the child at
// place p is node p + 1. The node's words have the places from word_starts[node] to word_starts[node + 1].
#pragma once

#include <cstdint>
#include <vector>

#include "array.hpp"

namespace asr {

constexpr std::int32_t kRoot = 0;

class Trie {
 public:
  // Throws std::invalid_argument for arrays that are no tree over `token_count` tokens and `word_count` words.
  Trie(Array<std::int32_t> child_starts, Array<std::int32_t> child_tokens, Array<std::int32_t> word_starts,
       Array<std::int32_t> words, std::int32_t token_count, std::int32_t word_count);

  std::int32_t node_count() const { return node_count_; }
  std::int32_t token_count() const { return token_count_; }
  std::int32_t word_count() const { return word_count_; }
  std::int32_t most_words() const { return most_words_; }  // that end at one node

  std::int32_t first_child(std::int32_t node) const { return child_starts_[node] + 1; }
  std::int32_t end_of_children(std::int32_t node) const { return child_starts_[node + 1] + 1; }
  bool has_children(std::int32_t node) const { return child_starts_[node] < child_starts_[node + 1]; }
  std::int32_t token(std::int32_t node) const { return child_tokens_[node - 1]; }  // by which it is reached

  std::int32_t first_word(std::int32_t node) const { return word_starts_[node]; }
  std::int32_t end_of_words(std::int32_t node) const { return word_starts_[node + 1]; }
  bool has_words(std::int32_t node) const { return word_starts_[node] < word_starts_[node + 1]; }
  std::int32_t word(std::int32_t place) const { return words_[place]; }

  // The child that a token leads to, or -1.
  std::int32_t child(std::int32_t node, std::int32_t token) const;

  // The best of `scores` (words,) among the words at and below each node: (nodes,).
  std::vector<float> best_below(const float* scores) const;

 private:
  Array<std::int32_t> child_starts_, child_tokens_, word_starts_, words_;
  std::int32_t node_count_ = 0, token_count_, word_count_, most_words_ = 0;
};

// What `build_trie` makes of spellings: the arrays of a Trie but its words, and the node where each spelling ends.
struct TrieArrays {
  std::vector<std::int32_t> child_starts, child_tokens, ends;
};

// The tree of spellings: the tokens of spelling i lie from offsets[i] to offsets[i + 1].
TrieArrays build_trie(const std::int32_t* tokens, const std::int64_t* offsets, std::size_t spelling_count);

}  // namespace asr
