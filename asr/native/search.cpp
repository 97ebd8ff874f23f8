#include "search.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <utility>

namespace asr {

namespace {

constexpr double kLeast = -80.0;  // nats below a frame's best at which a probability is as good as zero
constexpr double kMostMillinats = 1e9;
constexpr std::size_t kCachedScores = 2048;  // a power of two; more miss the processor's cache
constexpr std::size_t kFirstCandidates = 2048;

}  // namespace

// What an extension must reach to be tried. Two bounds, since what has no language score yet is judged more mildly.
struct SearchSession::Pruning {
  double best = 0.0;             // total of a candidate
  double least;                  // factor below the best
  double widest = 0.0;           // bound for what may still get a language score
  double floor = 0.0;            // bound for candidates
  double strongest_token = 0.0;  // probability

  void see(double total) { best = std::max(best, total); }
  void raise() {
    widest = best * least;
    floor = std::max(floor, widest);
  }
};

SearchSession::SearchSession(std::shared_ptr<const DecodingGraph> graph, std::size_t rows)
    : graph_(std::move(graph)), cache_(kCachedScores, CachedScore{0, 0.0, 1.0}), gains_(1, NeuralGain{0, 0.0}) {
  const std::size_t tokens = graph_->trie().token_count(), beam = graph_->settings().beam_size;
  rows_ = rows + 2 * beam;
  histories_.reserve(rows_);
  records_.reserve(rows_);
  beam_.reserve(beam);
  next_beam_.reserve(beam);
  probabilities_.resize(tokens);
  tried_.resize(tokens);
  millinats_below_.resize(tokens);
  active_.reserve(tokens);
  candidates_.reserve(std::max(kFirstCandidates, 4 * beam));
  chosen_.reserve(candidates_.capacity());
  totals_.reserve(candidates_.capacity());
  table_.resize(power_of_two(2 * candidates_.capacity()));
  histories_.push_back({1, -1, kNoWord, 0, 0, -1, graph_->hotwords().first(), true, graph_->first_context()});
  beam_.push_back({1, 1.0, 0.0, 0.0, kRoot, -1, 0, -1, 0, 0});
}

void SearchSession::advance(const float* log_probs, std::size_t frames) {
  const std::size_t tokens = probabilities_.size();
  for (std::size_t frame = 0; frame < frames; ++frame) {
    make_room();
    step(log_probs + frame * tokens);
  }
}

void SearchSession::step(const float* log_probs) {
  const double frame_best = read_frame(log_probs);
  double best;
  if (active_.empty()) {
    best = stay_on_blank();
  } else {
    const bool open = graph_->settings().open;
    Pruning pruning = stay();
    const std::int32_t size = static_cast<std::int32_t>(beam_.size());
    for (std::int32_t index = 0; index < size; ++index) {
      extend_in_tree(index, pruning);
      if (open) extend_outside(index, pruning);
    }
    best = pruning.best;
    // Extreme weights may leave nothing above zero: then what there is stays.
    if (best > 0.0) {
      move_beam(choose(best * pruning.least));
    } else {
      best = stay_on_blank();
    }
  }
  log_scale_ += frame_best + rescale(best);
  ++frame_;
}

// Fill what describes the frame; returns its best log-probability.
double SearchSession::read_frame(const float* log_probs) {
  const std::size_t tokens = probabilities_.size();
  const double token_threshold = graph_->settings().token_threshold;
  const float best = *std::max_element(log_probs, log_probs + tokens);
  active_.clear();
  for (std::size_t token = 0; token < tokens; ++token) {
    const float below = log_probs[token] - best;
    probabilities_[token] = std::exp(below > kLeast ? static_cast<double>(below) : kLeast);
    tried_[token] = 0.0;
    if (token > 0 && below >= -token_threshold) {
      tried_[token] = probabilities_[token];
      millinats_below_[token] = static_cast<std::int32_t>(std::min(-1000.0 * below, kMostMillinats));
      active_.push_back(static_cast<std::int32_t>(token));
    }
  }
  return best;
}

// A frame in which no token is worth trying; returns the best total.
double SearchSession::stay_on_blank() {
  double best = 0.0;
  for (Hypothesis& hypothesis : beam_) {
    const double held = hypothesis.last >= 0 ? hypothesis.token * probabilities_[hypothesis.last] : 0.0;
    hypothesis.blank = hypothesis.total() * probabilities_[0];
    hypothesis.token = held;
    best = std::max(best, hypothesis.total());
  }
  return best;
}

// Begin the candidates with the prefixes that stay what they are: one more blank, or the last token held on.
SearchSession::Pruning SearchSession::stay() {
  Pruning pruning;
  pruning.least = std::exp(-graph_->settings().threshold);
  double worst = std::numeric_limits<double>::infinity();
  candidates_.clear();
  while (4 * beam_.size() > table_.size()) table_.assign(2 * table_.size(), 0);
  const std::uint64_t mask = table_.size() - 1, stamp = static_cast<std::uint64_t>(frame_ + 1) << 32;
  for (const Hypothesis& hypothesis : beam_) {
    std::uint64_t slot = hypothesis.key & mask;  // keys of a beam are all different
    while (table_[slot] >> 32 == stamp >> 32) slot = (slot + 1) & mask;
    table_[slot] = stamp | candidates_.size();
    const double blank = hypothesis.total() * probabilities_[0];
    const double held = hypothesis.last >= 0 ? hypothesis.token * probabilities_[hypothesis.last] : 0.0;
    const double total = (blank + held) * graph_->lookahead(hypothesis.node);
    const auto index = static_cast<std::int32_t>(candidates_.size());
    candidates_.push_back(
        {hypothesis.key, blank, held, std::max(blank, held), 0.0, total, index, kStay, hypothesis.node, kNoWord});
    pruning.see(total);
    worst = std::min(worst, total);
  }
  // Where the beam is full, nothing below the worst of these can be among the survivors.
  const bool full = beam_.size() >= static_cast<std::size_t>(graph_->settings().beam_size);
  pruning.widest = pruning.best * pruning.least;
  pruning.floor = full ? std::max(pruning.widest, worst) : pruning.widest;
  for (const std::int32_t token : active_) pruning.strongest_token = std::max(pruning.strongest_token, tried_[token]);
  return pruning;
}

// Offer a hypothesis with one more token along the tree.
void SearchSession::extend_in_tree(std::int32_t index, Pruning& pruning) {
  const Hypothesis& hypothesis = beam_[index];
  const DecodingGraph& graph = *graph_;
  const Trie& trie = graph.trie();
  const std::int32_t node = hypothesis.node;
  const double blank = hypothesis.blank, both = hypothesis.total();
  if (node == graph.outside()) return;
  if (both * pruning.strongest_token * graph.lookahead(node) < pruning.widest && !graph.settings().open) return;
  const std::uint64_t history = histories_[hypothesis.history].id;
  const std::int64_t tokens = static_cast<std::int64_t>(tried_.size());
  for (std::int32_t child = trie.first_child(node); child < trie.end_of_children(node); ++child) {
    const std::int32_t token = trie.token(child);
    if (tried_[token] == 0.0) continue;
    // The same token again is a new one only after a blank.
    const double mass = (token == hypothesis.last ? blank : both) * tried_[token];
    const double lookahead = graph.lookahead(child);
    if (mass * lookahead < pruning.widest || mass == 0.0) continue;
    if (mass * lookahead >= pruning.floor && trie.has_children(child)) {
      offer(join(history, ~(child * tokens + token)), {index, token, child, kNoWord, mass, 0.0, lookahead});
      pruning.see(mass * lookahead);
    }
    if (trie.has_words(child)) end_words({index, token, child, kNoWord, mass, 0.0, 1.0}, pruning);
  }
  pruning.raise();
}

// Offer the words that end with an extension, whose node spells them.
void SearchSession::end_words(const Extension& way, Pruning& pruning) {
  const Trie& trie = graph_->trie();
  const std::int32_t history = beam_[way.origin].history;
  for (std::int32_t place = trie.first_word(way.node); place < trie.end_of_words(way.node); ++place) {
    const std::int32_t word = trie.word(place);
    const CachedScore& score = word_score(history, word);
    const double mass = way.mass * score.factor;
    if (mass < pruning.floor || mass == 0.0) continue;
    offer(join(score.history, ~static_cast<std::int64_t>(way.token)),
          {way.origin, way.token, kRoot, word, mass, score.score, 1.0});
    pruning.see(mass);
  }
}

// The score of a word after a history, the neural model's part included where it is known.
const SearchSession::CachedScore& SearchSession::word_score(std::int32_t history, std::int32_t word) {
  const History& before = histories_[history];
  const std::uint64_t extended = join(before.id, word);
  CachedScore& cached = cache_[extended & (kCachedScores - 1)];
  if (cached.history != extended) {
    double score = graph_->word_score(before.context, before.hotword_place, word);
    if (const NeuralGain* neural = find_gain(extended)) score += neural->gain;
    cached = {extended, score, std::exp(score)};
  }
  return cached;
}

// Offer a hypothesis with one more token of an unknown word, or the end of that.
void SearchSession::extend_outside(std::int32_t index, Pruning& pruning) {
  const Hypothesis& hypothesis = beam_[index];
  const SearchSettings& settings = graph_->settings();
  const std::int32_t node = hypothesis.node, outside = graph_->outside();
  const double letter = std::exp(settings.letter_score), lookahead = graph_->lookahead(outside);
  pruning.raise();
  for (const std::int32_t token : active_) {
    double mass = (token == hypothesis.last ? hypothesis.blank : hypothesis.total()) * tried_[token];
    if (token == settings.boundary) {
      if (node != kRoot && !ends_known_word(node)) end_unknown_word(index, mass, pruning);
    } else if (node == outside || graph_->trie().child(node, token) < 0) {
      // The letters before, which the tree had room for, are paid for now as well.
      const double price = node == outside ? letter : std::pow(letter, 1 + depth_in_word(hypothesis));
      mass *= price;
      if (mass * lookahead < pruning.floor || mass == 0.0) continue;
      offer(join(hypothesis.key, token + 1), {index, token, outside, kNoWord, mass, std::log(price), lookahead});
      pruning.see(mass * lookahead);
    }
  }
}

// Offer the unknown word that a hypothesis has spelled, closed by the boundary; mass: without its language score.
void SearchSession::end_unknown_word(std::int32_t index, double mass, Pruning& pruning) {
  const Hypothesis& hypothesis = beam_[index];
  const History& before = histories_[hypothesis.history];
  const std::int32_t unknown = graph_->unknown(), boundary = graph_->settings().boundary;
  const std::uint64_t extended = next_history(hypothesis.history, unknown, hypothesis.key);
  double gain = graph_->word_score(before.context, before.hotword_place, unknown);
  if (const NeuralGain* neural = find_gain(extended)) gain += neural->gain;
  gain += unpaid_letters(hypothesis);
  mass *= std::exp(gain);
  if (mass < pruning.floor || mass == 0.0) return;
  offer(join(extended, ~static_cast<std::int64_t>(boundary)), {index, boundary, kRoot, unknown, mass, gain, 1.0});
  pruning.see(mass);
}

bool SearchSession::ends_known_word(std::int32_t node) const {
  if (node == graph_->outside()) return false;
  const std::int32_t child = graph_->trie().child(node, graph_->settings().boundary);
  return child >= 0 && graph_->trie().has_words(child);
}

// The letter scores of a word that ends as an unknown one within the tree, where letters cost nothing on the way.
double SearchSession::unpaid_letters(const Hypothesis& hypothesis) const {
  if (hypothesis.node == graph_->outside()) return 0.0;
  return graph_->settings().letter_score * depth_in_word(hypothesis);
}

std::int32_t SearchSession::depth_in_word(const Hypothesis& hypothesis) const {
  const std::int32_t until = histories_[hypothesis.history].last_record;
  std::int32_t depth = 0;
  for (std::int32_t at = hypothesis.record; at != until && at >= 0; at = records_[at].before) ++depth;
  return depth;
}

// Add a way to the candidate of its prefix, or make it one.
void SearchSession::offer(std::uint64_t key, const Extension& way) {
  const std::uint64_t mask = table_.size() - 1, stamp = static_cast<std::uint64_t>(frame_ + 1);
  std::uint64_t slot = key & mask;
  while (table_[slot] >> 32 == stamp) {
    Candidate& candidate = candidates_[table_[slot] & 0xFFFFFFFFu];
    if (candidate.key == key) {
      if (way.mass > candidate.strongest) {
        candidate.strongest = way.mass;
        candidate.gain = way.gain;
        candidate.origin = way.origin;
        candidate.from_token = way.token;
        candidate.node = way.node;
        candidate.word = way.word;
      }
      candidate.token += way.mass;
      candidate.total += way.mass * way.lookahead;
      return;
    }
    slot = (slot + 1) & mask;
  }
  table_[slot] = stamp << 32 | candidates_.size();
  candidates_.push_back({key, 0.0, way.mass, way.mass, way.gain, way.mass * way.lookahead, way.origin, way.token,
                         way.node, way.word});
  if (2 * candidates_.size() > table_.size()) grow_table();
}

void SearchSession::grow_table() {
  table_.assign(2 * table_.size(), 0);
  const std::uint64_t mask = table_.size() - 1, stamp = static_cast<std::uint64_t>(frame_ + 1) << 32;
  for (std::size_t index = 0; index < candidates_.size(); ++index) {
    std::uint64_t slot = candidates_[index].key & mask;
    while (table_[slot] != 0) slot = (slot + 1) & mask;
    table_[slot] = stamp | index;
  }
}

}  // namespace asr
