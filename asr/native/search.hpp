// The beam search: CTC prefix search over a lexicon's tree with language scores at word ends.
//
// A hypothesis is a prefix: the words so far (its history), a node of the tree, and the last token. It carries two
// probabilities (Graves 2012, "Sequence transduction with recurrent neural networks"; Hannun et al. 2014): of all
// alignments that end in blank, and of all that end in the last token. Alignments of one prefix are summed. The score
// of a word sequence is
//
//     ln P(tokens of the words | audio), summed over alignments and spellings
//     + lm_weight * ln P(words, </s>) + word_score * number of words + what hotwords and unknown words add
//
// Inside a word, the best unigram score of the words still reachable (look-ahead) stands in for the word's own. The
// audio may leave out the word boundary after the last word.
//
// Probabilities are plain numbers relative to the best hypothesis of the frame, language scores multiplied in, so that
// the inner loop multiplies and adds and takes no logarithm: `log_scale_` remembers what was divided out.
//
// With SearchSettings::open a prefix may leave the tree and spell what it likes up to a word boundary: an unknown word,
// at its price. Its node is then DecodingGraph::outside(), and what it spelled is in its token records.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "graph.hpp"
#include "hashing.hpp"

namespace asr {

// A word sequence, as a list that goes back from its last word.
struct History {
  std::uint64_t id;  // equal for equal word sequences
  std::int32_t parent;
  std::int32_t word;
  std::int32_t first_frame, end_frame;  // of the word
  std::int32_t last_record;             // of the word's last token
  std::int32_t hotword_place;
  bool scored;  // whether the neural language model's scores of the word, and of all words before it, are in
  NgramContext context;
};

// A token of a prefix, as a list that goes back from its last token.
struct TokenRecord {
  std::int32_t before;
  std::int32_t token;
  std::int32_t frame;
  std::int32_t millinats_below;  // thousandths of a nat below the frame's best token
};

struct Hypothesis {
  std::uint64_t key;   // equal for equal prefixes
  double blank;        // probability of the alignments that end in blank
  double token;        // probability of those that end in the last token
  double language;     // nats, what has been multiplied into both
  std::int32_t node;
  std::int32_t last;  // token; -1: none yet
  std::int32_t history;
  std::int32_t record;                  // of the last token; -1: none yet
  std::int32_t first_frame, end_frame;  // of the word at hand

  double total() const { return blank + token; }
};

// One way into a prefix: which hypothesis it comes from and by what token. It becomes a candidate for the next beam.
struct Extension {
  std::int32_t origin;  // hypothesis
  std::int32_t token;   // or kStay
  std::int32_t node;
  std::int32_t word;  // that it ends, or kNoWord
  double mass;        // probability, language score of that word included
  double gain;        // nats, that language score
  double lookahead;   // factor
};

struct Candidate {
  std::uint64_t key;
  double blank, token;
  double strongest;  // the greatest mass among its ways; the times of that way are kept
  double gain;
  double total;  // look-ahead multiplied in
  std::int32_t origin, from_token, node, word;
};

// A word that has ended but has no score of the neural language model yet.
struct PendingWord {
  std::uint64_t history, parent;  // ids
  std::int32_t word;
  double ngram_score;  // ln P, without weight; 0 without an n-gram model
};

// What one hypothesis gives when the utterance ends.
struct Result {
  std::uint64_t key;  // equal for equal word sequences
  double acoustic, other;  // nats
  double posterior;        // 0 where another result of the same words stands for it
  std::int32_t history;
  std::int32_t word;  // to be added to the history, or kNoWord
  std::int32_t hypothesis;

  double score() const { return acoustic + other; }
};

// What a neural language model must score at the end of a result, with the n-gram's scores (ln P, without weight) and
// the score of the result with these.
struct Ending {
  std::uint64_t history;
  std::int32_t word;  // or kNoWord
  double ngram_score, ngram_end_score;
  double score;
};

// A word's confidence is s(bias + slope * logit(posterior) - evidence * mean nats that its tokens lie below the best of
// their frames); scores are multiplied by `scale` before they become posteriors.
struct Confidence {
  double scale, bias, slope, evidence;
};

struct SpokenWord {
  std::int32_t word;
  std::int32_t first_frame, end_frame;
  std::int32_t first_token;  // place among the tokens
  double confidence;
};

struct SpokenToken {
  std::int32_t token;
  std::int32_t frame;
};

struct Transcription {
  double acoustic, other;
  std::vector<SpokenWord> words;
  std::vector<SpokenToken> tokens;
};

// The search of one utterance, fed frame by frame. Not to be used by two threads at once.
class SearchSession {
 public:
  // rows: room for histories and token records at first; the dead ones are dropped when it is full.
  explicit SearchSession(std::shared_ptr<const DecodingGraph> graph, std::size_t rows);

  // Search on through log-probabilities (frames, tokens), blank first.
  void advance(const float* log_probs, std::size_t frames);

  std::int64_t frames() const { return frame_; }
  std::size_t rows() const { return rows_; }
  const DecodingGraph& graph() const { return *graph_; }
  std::uint64_t first_history() const;  // the id of the empty word sequence

  // Words that the neural language model has not scored, of hypotheses at most `margin` nats below the best, each
  // history once, in batches: those that go on from a word of one batch are in a later one.
  std::vector<std::vector<PendingWord>> pending(double margin) const;

  // The same where the utterance ends here: of results at most `margin` nats below the best.
  std::vector<std::vector<PendingWord>> pending_at_end(double margin);

  // Give the words of `pending` their whole scores: gains[i] is what to add to the weighted score of the word that ends
  // history ids[i], now and wherever it ends again. Those of words that others go on from come first, or with them.
  void apply_language_scores(const std::vector<std::uint64_t>& ids, const std::vector<double>& gains);

  // What the neural language model must score to end the utterance here, for each result.
  std::vector<Ending> endings();

  // The best `most` word sequences if the utterance ends here, best first; those that differ in spelling alone are one,
  // with the times of the strongest. gains: what to add to each of `endings`, or empty.
  std::vector<Transcription> results(const Confidence& confidence, std::size_t most, const std::vector<double>& gains);

 private:
  struct Pruning;
  class PendingList;
  struct CachedScore {
    std::uint64_t history;
    double score, factor;  // nats, and exp of it
  };
  struct NeuralGain {
    std::uint64_t history;  // 0: free
    double gain;
  };

  // search.cpp: a frame
  void step(const float* log_probs);
  double read_frame(const float* log_probs);
  double stay_on_blank();
  Pruning stay();
  void extend_in_tree(std::int32_t index, Pruning& pruning);
  void end_words(const Extension& way, Pruning& pruning);
  void extend_outside(std::int32_t index, Pruning& pruning);
  void end_unknown_word(std::int32_t index, double mass, Pruning& pruning);
  void offer(std::uint64_t key, const Extension& way);
  void grow_table();
  const CachedScore& word_score(std::int32_t history, std::int32_t word);
  bool ends_known_word(std::int32_t node) const;
  double unpaid_letters(const Hypothesis& hypothesis) const;
  std::int32_t depth_in_word(const Hypothesis& hypothesis) const;

  // beam.cpp
  std::size_t choose(double floor);
  void move_beam(std::size_t count);
  std::uint64_t next_history(std::int32_t history, std::int32_t word, std::uint64_t key) const;
  std::int32_t write_history(const Hypothesis& hypothesis, std::int32_t word, std::uint64_t key);
  double rescale(double best);

  // memory.cpp
  void make_room();
  void drop_dead_rows();

  // fusion.cpp
  const NeuralGain* find_gain(std::uint64_t history) const;
  void insert_gain(std::uint64_t history, double gain);

  // readout.cpp
  void finish();
  void add_results(std::int32_t index, bool cut_words);
  std::vector<std::int32_t> rank(double scale, std::size_t most);
  std::vector<std::int32_t> merge_equal_results();
  Transcription describe(const Result& result, const Confidence& confidence) const;
  void write_words(const Result& result, std::int32_t last_record, Transcription& spoken) const;
  void add_agreement(Transcription& spoken) const;
  void write_tokens(std::int32_t last_record, const Confidence& confidence, Transcription& spoken) const;

  std::shared_ptr<const DecodingGraph> graph_;
  std::size_t rows_;
  std::int64_t frame_ = 0;
  double log_scale_ = 0.0;  // nats divided out of all probabilities so far

  std::vector<Hypothesis> beam_, next_beam_;
  std::vector<History> histories_;  // the first is the empty one
  std::vector<TokenRecord> records_;

  // Of the frame at hand.
  std::vector<double> probabilities_;           // (tokens,), relative to the best
  std::vector<double> tried_;                   // (tokens,), 0 for tokens not worth trying
  std::vector<std::int32_t> millinats_below_;   // (tokens,)
  std::vector<std::int32_t> active_;            // tokens worth trying
  std::vector<Candidate> candidates_;
  std::vector<std::uint64_t> table_;  // finds candidates by key: stamp of the frame << 32 | candidate
  std::vector<std::int32_t> chosen_;
  std::vector<double> totals_;  // scratch of `choose`

  std::vector<CachedScore> cache_;
  std::vector<NeuralGain> gains_;  // open addressing
  std::size_t gain_count_ = 0;
  std::vector<std::int32_t> new_histories_, new_records_;  // scratch of `drop_dead_rows`
  std::vector<Result> results_;
};

constexpr std::int32_t kStay = -1;  // in place of a token: the prefix stays what it is

}  // namespace asr
