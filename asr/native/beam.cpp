// How the candidates of a frame become the next beam.
#include <algorithm>
#include <cmath>
#include <functional>

#include "search.hpp"

namespace asr {

// List the best candidates that reach the floor, at most as many as the beam holds; ties by order of creation.
std::size_t SearchSession::choose(double floor) {
  const std::size_t beam_size = graph_->settings().beam_size;
  chosen_.clear();
  totals_.clear();
  for (std::size_t index = 0; index < candidates_.size(); ++index) {
    const double total = candidates_[index].total;
    if (total >= floor && total > 0.0) {
      totals_.push_back(total);
      chosen_.push_back(static_cast<std::int32_t>(index));
    }
  }
  if (chosen_.size() <= beam_size) return chosen_.size();
  std::nth_element(totals_.begin(), totals_.begin() + (beam_size - 1), totals_.end(), std::greater<double>());
  floor = totals_[beam_size - 1];
  const auto above = [&](std::int32_t index) { return candidates_[index].total > floor; };
  std::size_t ties = beam_size - std::count_if(chosen_.begin(), chosen_.end(), above);
  std::size_t count = 0;
  for (const std::int32_t index : chosen_) {
    const double total = candidates_[index].total;
    const bool tie = total == floor && ties > 0;
    if (!tie && !(total > floor)) continue;
    ties -= tie;
    chosen_[count++] = index;
  }
  return count;
}

// Make the chosen candidates the beam; write records of new tokens and histories of ended words.
void SearchSession::move_beam(std::size_t count) {
  const std::int32_t boundary = graph_->settings().boundary;
  const std::int32_t frame = static_cast<std::int32_t>(frame_);
  next_beam_.clear();
  for (std::size_t place = 0; place < count; ++place) {
    const Candidate& candidate = candidates_[chosen_[place]];
    const Hypothesis& origin = beam_[candidate.origin];
    Hypothesis next = origin;
    next.key = candidate.key;
    next.blank = candidate.blank;
    next.token = candidate.token;
    next.language = origin.language + candidate.gain;
    next.node = candidate.node;
    if (candidate.from_token == kStay) {
      if (candidate.token > candidate.blank && origin.last != boundary) next.end_frame = frame + 1;
    } else {
      next.last = candidate.from_token;
      if (origin.node == kRoot) next.first_frame = frame;
      if (candidate.from_token != boundary || origin.node == kRoot) next.end_frame = frame + 1;
      next.record = static_cast<std::int32_t>(records_.size());
      records_.push_back({origin.record, candidate.from_token, frame, millinats_below_[candidate.from_token]});
    }
    if (candidate.word != kNoWord) next.history = write_history(next, candidate.word, origin.key);
    next_beam_.push_back(next);
  }
  beam_.swap(next_beam_);
}

// The id of a history with one more word; unknown words differ by what they spell, which is in the prefix's key.
std::uint64_t SearchSession::next_history(std::int32_t history, std::int32_t word, std::uint64_t key) const {
  const std::uint64_t id = histories_[history].id;
  return word == graph_->unknown() ? join(id, static_cast<std::int64_t>(key >> 1)) : join(id, word);
}

// Write the history that a hypothesis has after a word that it has just ended; returns its row.
std::int32_t SearchSession::write_history(const Hypothesis& hypothesis, std::int32_t word, std::uint64_t key) {
  const History& parent = histories_[hypothesis.history];
  History history;
  history.id = next_history(hypothesis.history, word, key);
  history.parent = hypothesis.history;
  history.word = word;
  history.first_frame = hypothesis.first_frame;
  history.end_frame = hypothesis.end_frame;
  history.last_record = hypothesis.record;
  const Hotwords& hotwords = graph_->hotwords();
  history.hotword_place = hotwords.empty() ? 0 : hotwords.after(parent.hotword_place, word).place;
  history.scored = find_gain(history.id) != nullptr;
  history.context = graph_->context_after(parent.context, word);
  histories_.push_back(history);
  return static_cast<std::int32_t>(histories_.size()) - 1;
}

// Divide the probabilities by the best total and return its logarithm.
double SearchSession::rescale(double best) {
  const double factor = 1.0 / best;
  for (Hypothesis& hypothesis : beam_) {
    hypothesis.blank *= factor;
    hypothesis.token *= factor;
  }
  return std::log(best);
}

}  // namespace asr
