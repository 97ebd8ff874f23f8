// How a neural language model joins a search: it scores words in batches some frames after they ended, and the
// hypotheses are put right then (delayed fusion). The scores in the end are exactly those of the model.
#include <algorithm>
#include <cmath>
#include <limits>
#include <unordered_map>
#include <unordered_set>

#include "search.hpp"

namespace asr {

std::uint64_t SearchSession::first_history() const { return histories_[0].id; }

const SearchSession::NeuralGain* SearchSession::find_gain(std::uint64_t history) const {
  const std::uint64_t mask = gains_.size() - 1;
  for (std::uint64_t slot = history & mask; gains_[slot].history != 0; slot = (slot + 1) & mask)
    if (gains_[slot].history == history) return &gains_[slot];
  return nullptr;
}

void SearchSession::insert_gain(std::uint64_t history, double gain) {
  if (2 * (gain_count_ + 1) > gains_.size()) {
    std::vector<NeuralGain> before(std::max<std::size_t>(1024, 4 * gains_.size()), NeuralGain{0, 0.0});
    before.swap(gains_);
    gain_count_ = 0;
    for (const NeuralGain& known : before)
      if (known.history != 0) insert_gain(known.history, known.gain);
  }
  const std::uint64_t mask = gains_.size() - 1;
  std::uint64_t slot = history & mask;
  while (gains_[slot].history != 0 && gains_[slot].history != history) slot = (slot + 1) & mask;
  gain_count_ += gains_[slot].history == 0;
  gains_[slot] = {history, gain};
  cache_[history & (cache_.size() - 1)].history = 0;  // what was cached of the word is without this gain
}

// Lists words, and all before them that have no score, each word sequence once and after those that it goes on from.
class SearchSession::PendingList {
 public:
  explicit PendingList(const SearchSession& session) : session_(session) {}

  void add(std::int32_t row) {
    for (; !history(row).scored && seen_.insert(row).second; row = history(row).parent) chain_.push_back(row);
    for (; !chain_.empty(); chain_.pop_back()) add_word(history(chain_.back()));
  }

  std::vector<std::vector<PendingWord>> batches;

 private:
  const History& history(std::int32_t row) const { return session_.histories_[row]; }

  void add_word(const History& word) {
    if (next_.count(word.id) != 0) return;
    const History& parent = history(word.parent);
    const auto before = next_.find(parent.id);
    const std::size_t batch = before == next_.end() ? 0 : before->second;
    next_.emplace(word.id, batch + 1);
    if (batch == batches.size()) batches.emplace_back();
    const DecodingGraph& graph = *session_.graph_;
    const double ngram = graph.has_ngram() ? graph.ngram_score(parent.context, word.word) : 0.0;
    batches[batch].push_back({word.id, parent.id, word.word, ngram});
  }

  const SearchSession& session_;
  std::unordered_set<std::int32_t> seen_;                // rows
  std::unordered_map<std::uint64_t, std::size_t> next_;  // by id: the batch of the words that go on from a listed one
  std::vector<std::int32_t> chain_;
};

std::vector<std::vector<PendingWord>> SearchSession::pending(double margin) const {
  const auto total = [this](const Hypothesis& one) { return one.total() * graph_->lookahead(one.node); };
  double best = 0.0;
  for (const Hypothesis& hypothesis : beam_) best = std::max(best, total(hypothesis));
  const double floor = best * std::exp(-margin);
  PendingList list(*this);
  for (const Hypothesis& hypothesis : beam_)
    if (total(hypothesis) >= floor) list.add(hypothesis.history);
  return list.batches;
}

std::vector<std::vector<PendingWord>> SearchSession::pending_at_end(double margin) {
  finish();
  double best = -std::numeric_limits<double>::infinity();
  for (const Result& result : results_) best = std::max(best, result.score());
  PendingList list(*this);
  for (const Result& result : results_)
    if (result.score() >= best - margin) list.add(result.history);
  return list.batches;
}

// All hypotheses are put right, also those outside the margin that have a word in common with one inside: what is
// multiplied into a prefix must be the same on all ways to it.
void SearchSession::apply_language_scores(const std::vector<std::uint64_t>& ids, const std::vector<double>& gains) {
  for (std::size_t place = 0; place < ids.size(); ++place) insert_gain(ids[place], gains[place]);
  std::unordered_map<std::int32_t, double> sums;  // by row: the new gains of the word and of the words before it
  std::vector<std::int32_t> chain;
  for (Hypothesis& hypothesis : beam_) {
    std::int32_t row = hypothesis.history;
    for (; !histories_[row].scored && sums.count(row) == 0; row = histories_[row].parent) chain.push_back(row);
    double sum = histories_[row].scored ? 0.0 : sums[row];
    for (; !chain.empty(); chain.pop_back()) {
      const NeuralGain* own = find_gain(histories_[chain.back()].id);
      if (own != nullptr) sum += own->gain;
      sums[chain.back()] = sum;
    }
    if (sum == 0.0) continue;
    const double factor = std::exp(sum);
    hypothesis.blank *= factor;
    hypothesis.token *= factor;
    hypothesis.language += sum;
  }
  for (const auto& [row, sum] : sums) histories_[row].scored = find_gain(histories_[row].id) != nullptr;
}

std::vector<Ending> SearchSession::endings() {
  finish();
  std::vector<Ending> endings;
  endings.reserve(results_.size());
  for (const Result& result : results_) {
    const History& history = histories_[result.history];
    Ending ending{history.id, result.word, 0.0, 0.0, result.score()};
    if (graph_->has_ngram()) {
      NgramContext context = history.context;
      if (result.word != kNoWord) {
        ending.ngram_score = graph_->ngram_score(context, result.word);
        context = graph_->context_after(context, result.word);
      }
      ending.ngram_end_score = graph_->ngram_end_score(context);
    }
    endings.push_back(ending);
  }
  return endings;
}

}  // namespace asr
