#include "graph.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <utility>

namespace asr {

Hotwords::Hotwords(Array<std::int32_t> words, Array<std::int32_t> starts, Array<std::int32_t> numbers,
                   Array<std::int32_t> places, Array<std::int32_t> failures, Array<double> partial, Array<double> won,
                   Array<double> closing, Array<std::uint8_t> closers, std::int32_t first)
    : words_(std::move(words)),
      starts_(std::move(starts)),
      numbers_(std::move(numbers)),
      places_(std::move(places)),
      failures_(std::move(failures)),
      partial_(std::move(partial)),
      won_(std::move(won)),
      closing_(std::move(closing)),
      closers_(std::move(closers)),
      first_(first) {
  const std::size_t count = won_.size();
  if (count == 0 || partial_.size() != count || failures_.size() != count || starts_.size() != count + 1 ||
      numbers_.size() != places_.size() || (closing_.size() != 0 && closing_.size() != count) ||
      (closers_.size() != 0 && closers_.size() != words_.size()))
    throw std::invalid_argument("the hotwords' arrays differ in length");
  const auto outside = [](const Array<std::int32_t>& values, std::int64_t low, std::size_t high) {
    return std::any_of(values.begin(), values.end(), [=](std::int64_t value) {
      return value < low || value >= static_cast<std::int64_t>(high);
    });
  };
  if (outside(places_, 0, count) || starts_[0] != 0 || !std::is_sorted(starts_.begin(), starts_.end()) ||
      static_cast<std::size_t>(starts_[count]) != numbers_.size() || first_ < 0 ||
      static_cast<std::size_t>(first_) >= count)
    throw std::invalid_argument("the hotwords hold a word or place that there is not");
  for (std::size_t place = 0; place < count; ++place)  // so that following failures ends
    if (failures_[place] < 0 || static_cast<std::size_t>(failures_[place]) >= std::max<std::size_t>(place, 1))
      throw std::invalid_argument("the hotwords hold a word or place that there is not");
}

std::int32_t Hotwords::following(std::int32_t place, std::int32_t number) const {
  while (true) {
    const auto first = numbers_.begin() + starts_[place], end = numbers_.begin() + starts_[place + 1];
    const auto at = std::lower_bound(first, end, number);
    if (at != end && *at == number) return places_[at - numbers_.begin()];
    if (place == 0) return 0;
    place = failures_[place];
  }
}

DecodingGraph::DecodingGraph(std::shared_ptr<const Trie> trie, std::vector<double> lookahead, LanguageModel language,
                             Hotwords hotwords, SearchSettings settings)
    : trie_(std::move(trie)),
      lookahead_(std::move(lookahead)),
      language_(std::move(language)),
      hotwords_(std::move(hotwords)),
      settings_(settings) {
  const std::size_t words = static_cast<std::size_t>(trie_->word_count()) + 1;  // and the unknown word
  if (lookahead_.size() != static_cast<std::size_t>(trie_->node_count()) + 1)
    throw std::invalid_argument("the look-ahead is not of this lexicon's tree");
  if (!hotwords_.empty() && hotwords_.word_count() != words)
    throw std::invalid_argument("the hotwords are not of this lexicon");
  if (settings_.beam_size < 1) throw std::invalid_argument("the beam size must be at least 1");
  if (settings_.boundary >= trie_->token_count() || settings_.boundary == 0)
    throw std::invalid_argument("the word boundary is no token");
  if (!has_ngram()) return;
  const std::int64_t vocabulary = static_cast<std::int64_t>(language_.tables->vocabulary_size());
  const auto is_id = [=](std::int64_t id) { return -1 <= id && id < vocabulary; };
  if (language_.word_ids.size() != words ||
      !std::all_of(language_.word_ids.begin(), language_.word_ids.end(), is_id))
    throw std::invalid_argument("the word ids are not of this lexicon and language model");
  if (language_.begin < 0 || language_.begin >= vocabulary || language_.end < 0 || language_.end >= vocabulary)
    throw std::invalid_argument("the language model lacks <s> or </s>");
}

NgramContext DecodingGraph::first_context() const {
  NgramContext context;
  context.fill(kNoWord);
  context[0] = language_.begin;
  return context;
}

NgramContext DecodingGraph::context_after(const NgramContext& context, std::int32_t word) const {
  NgramContext after;
  after.fill(kNoWord);
  if (!has_ngram() || language_.word_ids[word] < 0) return after;
  after[0] = language_.word_ids[word];
  std::copy(context.begin(), context.end() - 1, after.begin() + 1);
  return after;
}

double DecodingGraph::ngram_end_score(const NgramContext& context) const {
  return language_.tables->score(context, language_.end);
}

}  // namespace asr
