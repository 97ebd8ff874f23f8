#include "pronouncer.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

namespace asr {

namespace {

constexpr double kUnseen = 1e-6;  // probability of a pair that no context has

bool are_offsets(const std::vector<std::int64_t>& starts, std::size_t count, std::size_t size) {
  return starts.size() == count + 1 && starts.front() == 0 && std::is_sorted(starts.begin(), starts.end()) &&
         static_cast<std::size_t>(starts.back()) == size;
}

bool all_within(const std::vector<std::int32_t>& values, std::size_t size) {
  return std::all_of(values.begin(), values.end(),
                     [=](std::int32_t value) { return value >= 0 && static_cast<std::size_t>(value) < size; });
}

bool all_counts(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double value) { return value >= 0.0 && std::isfinite(value); });
}

std::uint64_t child_key(std::int32_t node, std::int32_t pair) {
  return static_cast<std::uint64_t>(node) << 32 | static_cast<std::uint32_t>(pair);
}

}  // namespace

Pronouncer::Pronouncer(std::int32_t order, const LetterPhonePairs& pairs, const PairCounts& counts) : pairs_(pairs) {
  const std::size_t pair_count = pairs.letters.size(), context_count = counts.weights.size();
  const auto is_valid = [](std::int32_t value, std::size_t size) {
    return value >= 0 && static_cast<std::size_t>(value) < size;
  };
  if (order < 1 || !is_valid(pairs.start, pair_count) || !all_within(pairs.letters, pair_count) ||
      !are_offsets(pairs.phone_starts, pair_count, pairs.phones.size()))
    throw std::invalid_argument("the letter-phone pairs do not fit each other");
  if (!are_offsets(counts.context_starts, context_count, counts.context_pairs.size()) ||
      !are_offsets(counts.next_starts, context_count, counts.next_pairs.size()) ||
      counts.totals.size() != context_count || counts.next_counts.size() != counts.next_pairs.size() ||
      !all_within(counts.context_pairs, pair_count) || !all_within(counts.next_pairs, pair_count) ||
      !all_counts(counts.weights) || !all_counts(counts.totals) || !all_counts(counts.next_counts))
    throw std::invalid_argument("the counts of letter-phone pairs do not fit each other");
  history_length_ = static_cast<std::size_t>(order) - 1;
  choices_.resize(pair_count);
  for (std::size_t pair = 0; pair < pair_count; ++pair)
    choices_[pairs.letters[pair]].push_back(static_cast<std::int32_t>(pair));
  node_contexts_.push_back(-1);
  for (std::size_t index = 0; index < context_count; ++index) {
    const std::size_t first = nexts_.size();
    for (std::int64_t at = counts.next_starts[index]; at < counts.next_starts[index + 1]; ++at)
      nexts_.emplace_back(counts.next_pairs[at], counts.next_counts[at]);
    std::sort(nexts_.begin() + static_cast<std::ptrdiff_t>(first), nexts_.end());
    if (!(counts.weights[index] + counts.totals[index] > 0.0))
      throw std::invalid_argument("a context of letter-phone pairs has no counts");
    contexts_.push_back({counts.weights[index], counts.totals[index], first, nexts_.size()});
    std::int32_t node = 0;
    for (std::int64_t at = counts.context_starts[index + 1]; at-- > counts.context_starts[index];) {
      const auto added =
          children_.emplace(child_key(node, counts.context_pairs[at]), static_cast<std::int32_t>(node_contexts_.size()));
      if (added.second) node_contexts_.push_back(-1);
      node = added.first->second;
    }
    node_contexts_[node] = static_cast<std::int32_t>(index);
  }
}

std::vector<Pronouncer::Way> Pronouncer::best(const std::vector<std::int32_t>& letters, std::size_t beam) const {
  if (!all_within(letters, choices_.size())) throw std::invalid_argument("there is no such letter");
  std::vector<Hypothesis> hypotheses{{0.0, {pairs_.start}, {}}};
  for (const std::int32_t letter : letters) hypotheses = extended(hypotheses, letter, beam);
  std::vector<Way> ways;
  for (Hypothesis& hypothesis : hypotheses) ways.push_back({hypothesis.score, std::move(hypothesis.phones)});
  return ways;
}

double Pronouncer::probability(const std::vector<std::int32_t>& context, std::int32_t pair) const {
  return probability(path(context), pair);
}

// The contexts that a history ends with, the shortest first.
std::vector<const Pronouncer::Context*> Pronouncer::path(const std::vector<std::int32_t>& history) const {
  std::vector<const Context*> contexts;
  std::int32_t node = 0;
  for (std::size_t length = 0;; ++length) {
    if (node_contexts_[node] >= 0) contexts.push_back(&contexts_[node_contexts_[node]]);
    if (length == history.size()) return contexts;
    const auto child = children_.find(child_key(node, history[history.size() - 1 - length]));
    if (child == children_.end()) return contexts;
    node = child->second;
  }
}

// By Witten & Bell 1991: P(p|c) = (count(c p) + weight(c) P(p|shorter c)) / (count(c) + weight(c)).
double Pronouncer::probability(const std::vector<const Context*>& path, std::int32_t pair) const {
  double probability = kUnseen;
  for (const Context* context : path) {
    const auto end = nexts_.begin() + static_cast<std::ptrdiff_t>(context->end);
    const auto at = std::lower_bound(nexts_.begin() + static_cast<std::ptrdiff_t>(context->first), end,
                                     std::make_pair(pair, 0.0));
    const double count = at != end && at->first == pair ? at->second : 0.0;
    probability = (count + context->weight * probability) / (context->total + context->weight);
  }
  return probability;
}

// The best hypotheses after one more letter, best first; of equal ones those whose phones come first by name.
std::vector<Pronouncer::Hypothesis> Pronouncer::extended(const std::vector<Hypothesis>& beam, std::int32_t letter,
                                                         std::size_t size) const {
  std::vector<Step> steps;
  for (std::size_t origin = 0; origin < beam.size(); ++origin) {
    const std::vector<const Context*> contexts = path(beam[origin].history);
    for (const std::int32_t pair : choices_[letter])
      steps.push_back({beam[origin].score + std::log(probability(contexts, pair)), origin, pair});
  }
  const auto better = [&](const Step& left, const Step& right) {
    if (left.score != right.score) return left.score > right.score;
    const auto one = phones_after(beam[left.origin], left.pair), other = phones_after(beam[right.origin], right.pair);
    if (one != other) return one < other;
    return std::make_pair(left.origin, left.pair) < std::make_pair(right.origin, right.pair);
  };
  const auto middle = steps.begin() + static_cast<std::ptrdiff_t>(std::min(size, steps.size()));
  std::partial_sort(steps.begin(), middle, steps.end(), better);
  std::vector<Hypothesis> longer;
  for (auto step = steps.begin(); step != middle; ++step) {
    const Hypothesis& origin = beam[step->origin];
    std::vector<std::int32_t> history = origin.history;
    history.push_back(step->pair);
    if (history.size() > history_length_)
      history.erase(history.begin(), history.end() - static_cast<std::ptrdiff_t>(history_length_));
    longer.push_back({step->score, std::move(history), phones_after(origin, step->pair)});
  }
  return longer;
}

std::vector<std::int32_t> Pronouncer::phones_after(const Hypothesis& origin, std::int32_t pair) const {
  std::vector<std::int32_t> phones = origin.phones;
  phones.insert(phones.end(), pairs_.phones.begin() + pairs_.phone_starts[pair],
                pairs_.phones.begin() + pairs_.phone_starts[pair + 1]);
  return phones;
}

}  // namespace asr
