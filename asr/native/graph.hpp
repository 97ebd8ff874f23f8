// What all searches of a decoder share and none changes: the lexicon's tree, language scores, hotwords, settings.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "array.hpp"
#include "ngram.hpp"
#include "trie.hpp"

namespace asr {

struct SearchSettings {
  double lm_weight = 0.0;
  double word_score = 0.0;
  std::int32_t beam_size = 1;
  double threshold = 0.0;        // nats below the best hypothesis
  double token_threshold = 0.0;  // nats below a frame's best token
  std::int32_t boundary = -1;    // the token at the end of words; -1: there is none
  bool open = false;             // whether words outside the lexicon may be spelled
  double unknown_score = 0.0;    // nats for such a word
  double letter_score = 0.0;     // nats for each of its tokens
};

// Phrases to be favoured, as an automaton over words (Aho & Corasick 1975); place 0 is where no phrase has begun.
//
// Where the search's words are pieces of words, a phrase is won only by what closes its last word: a piece that begins
// another one, or the end of the utterance.
class Hotwords {
 public:
  struct Step {
    std::int32_t place;  // after the word
    double gain;
  };

  Hotwords() = default;
  // words: the number of each word of the lexicon in the automaton, -1 for none. The words that go on from a place have
  // the indices from starts[place] to starts[place + 1]: their numbers, ascending, and the places after them. failures:
  // where a phrase that breaks off at a place goes on, below it. partial: what is lent to a phrase not yet complete;
  // won: for phrases complete at a place. closing: for phrases complete there if a word ends there; closers: whether a
  // word of the lexicon closes the one before; both empty where every word is whole. first: where an utterance begins.
  // Throws std::invalid_argument for what is no such automaton.
  Hotwords(Array<std::int32_t> words, Array<std::int32_t> starts, Array<std::int32_t> numbers,
           Array<std::int32_t> places, Array<std::int32_t> failures, Array<double> partial, Array<double> won,
           Array<double> closing, Array<std::uint8_t> closers, std::int32_t first);

  bool empty() const { return won_.size() <= 1; }
  std::size_t word_count() const { return words_.size(); }
  std::int32_t first() const { return first_; }

  // What the end of the utterance adds: what is lent to a phrase that stays incomplete is taken back.
  double at_end(std::int32_t place) const { return empty() ? 0.0 : closed(place) - partial_[place]; }

  Step after(std::int32_t place, std::int32_t word) const {
    const std::int32_t number = words_[word];
    const std::int32_t next = number >= 0 ? following(place, number) : 0;
    const double ended = closers_.size() != 0 && closers_[word] != 0 ? closed(place) : 0.0;
    return {next, partial_[next] - partial_[place] + won_[next] + ended};
  }

 private:
  std::int32_t following(std::int32_t place, std::int32_t number) const;
  double closed(std::int32_t place) const { return closing_.size() != 0 ? closing_[place] : 0.0; }

  Array<std::int32_t> words_, starts_, numbers_, places_, failures_;
  Array<double> partial_, won_, closing_;
  Array<std::uint8_t> closers_;
  std::int32_t first_ = 0;
};

// The n-gram model of a search, if it has one.
struct LanguageModel {
  std::shared_ptr<const NgramTables> tables;  // null: no model
  Array<std::int32_t> word_ids;  // of the lexicon's words and, last, of the unknown word; -1 where it has none
  std::int32_t begin = 0, end = 0;  // ids of <s> and </s>
  double missing_score = 0.0;       // ln P of a word without id
};

class DecodingGraph {
 public:
  // lookahead: of each node and, last, outside of the tree, a factor. Throws std::invalid_argument for parts that do
  // not fit each other.
  DecodingGraph(std::shared_ptr<const Trie> trie, std::vector<double> lookahead, LanguageModel language,
                Hotwords hotwords, SearchSettings settings);

  const Trie& trie() const { return *trie_; }
  const Hotwords& hotwords() const { return hotwords_; }
  const SearchSettings& settings() const { return settings_; }

  // Stands for a node where a prefix has left the tree; the word whose name is not in the lexicon.
  std::int32_t outside() const { return trie_->node_count(); }
  std::int32_t unknown() const { return trie_->word_count(); }

  double lookahead(std::int32_t node) const { return lookahead_[node]; }

  bool has_ngram() const { return language_.tables != nullptr; }
  NgramContext first_context() const;
  NgramContext context_after(const NgramContext& context, std::int32_t word) const;

  // ln P of a word after a context, without weight.
  double ngram_score(const NgramContext& context, std::int32_t word) const;
  double ngram_end_score(const NgramContext& context) const;

  // All that a word adds: weighted language score, word score, hotwords. place: among the hotwords.
  double word_score(const NgramContext& context, std::int32_t place, std::int32_t word) const;

 private:
  std::shared_ptr<const Trie> trie_;
  std::vector<double> lookahead_;
  LanguageModel language_;
  Hotwords hotwords_;
  SearchSettings settings_;
};

inline double DecodingGraph::ngram_score(const NgramContext& context, std::int32_t word) const {
  const std::int32_t id = language_.word_ids[word];
  return id < 0 ? language_.missing_score : language_.tables->score(context, id);
}

inline double DecodingGraph::word_score(const NgramContext& context, std::int32_t place, std::int32_t word) const {
  double score = settings_.word_score;
  if (word == unknown()) score += settings_.unknown_score;
  if (!hotwords_.empty()) score += hotwords_.after(place, word).gain;
  if (!has_ngram()) return score;
  return score + settings_.lm_weight * ngram_score(context, word);
}

}  // namespace asr
