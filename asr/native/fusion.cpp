// How a neural language model joins a search: it scores words in batches some frames after they ended, and the
// hypotheses are put right then (delayed fusion). The scores in the end are exactly those of the model.
#include <algorithm>
#include <cmath>
#include <unordered_map>

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

std::vector<std::vector<PendingWord>> SearchSession::pending() {
  pending_rows_.clear();
  std::unordered_map<std::int32_t, std::size_t> batch_of;  // by row
  std::unordered_map<std::uint64_t, bool> listed;          // by id: equal word sequences are asked for once
  std::vector<std::vector<PendingWord>> batches;
  std::vector<std::int32_t> chain;
  for (const Hypothesis& hypothesis : beam_) {
    chain.clear();
    for (std::int32_t row = hypothesis.history; !histories_[row].scored && batch_of.count(row) == 0;
         row = histories_[row].parent)
      chain.push_back(row);
    for (; !chain.empty(); chain.pop_back()) {
      const std::int32_t row = chain.back();
      const History& history = histories_[row];
      const History& parent = histories_[history.parent];
      const auto before = batch_of.find(history.parent);
      const std::size_t batch = before == batch_of.end() ? 0 : before->second + 1;
      batch_of[row] = batch;
      pending_rows_.push_back(row);
      if (!listed.emplace(history.id, true).second) continue;
      if (batch == batches.size()) batches.emplace_back();
      const double ngram = graph_->has_ngram() ? graph_->ngram_score(parent.context, history.word) : 0.0;
      batches[batch].push_back({history.id, parent.id, history.word, ngram});
    }
  }
  return batches;
}

void SearchSession::apply_language_scores(const std::vector<std::uint64_t>& ids, const std::vector<double>& gains) {
  for (std::size_t place = 0; place < ids.size(); ++place) insert_gain(ids[place], gains[place]);
  std::unordered_map<std::int32_t, double> sums;  // what a history adds up to with those that it goes on from
  for (const std::int32_t row : pending_rows_) {
    const auto before = sums.find(histories_[row].parent);
    const NeuralGain* own = find_gain(histories_[row].id);
    if (own == nullptr) continue;
    sums[row] = (before == sums.end() ? 0.0 : before->second) + own->gain;
  }
  for (Hypothesis& hypothesis : beam_) {
    const auto gain = sums.find(hypothesis.history);
    if (gain == sums.end()) continue;
    const double factor = std::exp(gain->second);
    hypothesis.blank *= factor;
    hypothesis.token *= factor;
    hypothesis.language += gain->second;
  }
  for (const auto& scored : sums) histories_[scored.first].scored = true;
  pending_rows_.clear();
}

std::vector<Ending> SearchSession::endings() {
  finish();
  std::vector<Ending> endings;
  endings.reserve(results_.size());
  for (const Result& result : results_) {
    const History& history = histories_[result.history];
    Ending ending{history.id, result.word, 0.0, 0.0};
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
