// What a search has found: whole word sequences from the beam, ranked, with times and confidences.
#include <algorithm>
#include <cmath>
#include <limits>

#include "search.hpp"

namespace asr {

namespace {

constexpr double kUnsure = 1e-4;  // posteriors are kept that far from 0 and 1

bool is_better(const Result& left, const Result& right) {
  const double one = left.score(), two = right.score();
  return one > two || (one == two && left.key < right.key);  // so that the order of hypotheses does not matter
}

double log_add(double left, double right) {
  const double high = std::max(left, right), low = std::min(left, right);
  return std::isinf(high) && high < 0 ? high : high + std::log1p(std::exp(low - high));
}

}  // namespace

// Collect the hypotheses that are whole word sequences: between words, or lacking only the boundary of their last word.
// If there is neither, what each has of whole words.
void SearchSession::finish() {
  results_.clear();
  for (const bool cut_words : {false, true}) {
    for (std::size_t index = 0; index < beam_.size(); ++index)
      add_results(static_cast<std::int32_t>(index), cut_words);
    if (!results_.empty()) return;
  }
}

void SearchSession::add_results(std::int32_t index, bool cut_words) {
  const DecodingGraph& graph = *graph_;
  const Trie& trie = graph.trie();
  const Hypothesis& hypothesis = beam_[index];
  const History& history = histories_[hypothesis.history];
  const double acoustic = std::log(hypothesis.total()) + log_scale_ - hypothesis.language;
  const auto add = [&](std::int32_t word, double letters) {
    double other = hypothesis.language + letters;
    std::int32_t place = history.hotword_place;
    NgramContext context = history.context;
    std::uint64_t key = history.id;
    if (word != kNoWord) {
      other += graph.word_score(context, place, word);
      if (!graph.hotwords().empty()) place = graph.hotwords().after(place, word).place;
      context = graph.context_after(context, word);
      key = next_history(hypothesis.history, word, hypothesis.key);
    }
    other += graph.hotwords().at_end(place);
    if (graph.has_ngram()) other += graph.settings().lm_weight * graph.ngram_end_score(context);
    results_.push_back({key, acoustic, other, 0.0, hypothesis.history, word, index});
  };
  const std::int32_t node = hypothesis.node;
  const bool in_word = node != kRoot && node != graph.outside();
  const std::int32_t child = in_word ? trie.child(node, graph.settings().boundary) : -1;
  const bool known = child >= 0 && trie.has_words(child);
  const bool spelled = graph.settings().open && node != kRoot && !known;
  if (spelled) {
    add(graph.unknown(), unpaid_letters(hypothesis));
  } else if (node == kRoot || cut_words) {
    add(kNoWord, 0.0);
  }
  if (!known) return;
  for (std::int32_t entry = trie.first_word(child); entry < trie.end_of_words(child); ++entry) add(trie.word(entry), 0.0);
}

std::vector<Transcription> SearchSession::results(const Confidence& confidence, std::size_t most,
                                                  const std::vector<double>& gains) {
  finish();
  for (std::size_t place = 0; place < gains.size() && place < results_.size(); ++place)
    results_[place].other += gains[place];
  std::vector<Transcription> best;
  for (const std::int32_t place : rank(confidence.scale, most)) best.push_back(describe(results_[place], confidence));
  return best;
}

// Sum up results of equal keys into the one of the strongest acoustics, give posteriors, and list the best `most`.
std::vector<std::int32_t> SearchSession::rank(double scale, std::size_t most) {
  std::vector<std::int32_t> order = merge_equal_results();
  double best = -std::numeric_limits<double>::infinity();
  for (const std::int32_t place : order) best = std::max(best, results_[place].score());
  double total = 0.0;
  for (const std::int32_t place : order) {
    Result& result = results_[place];
    result.posterior = std::exp(scale * (result.score() - best));
    total += result.posterior;
  }
  for (const std::int32_t place : order) results_[place].posterior /= total;
  const std::size_t listed = std::min(most, order.size());
  std::partial_sort(order.begin(), order.begin() + listed, order.end(), [this](std::int32_t left, std::int32_t right) {
    return is_better(results_[left], results_[right]);
  });
  order.resize(listed);
  return order;
}

// The places of one result of each key, the one of the strongest acoustics, its acoustic score that of all.
std::vector<std::int32_t> SearchSession::merge_equal_results() {
  std::vector<std::int32_t> order;
  std::vector<double> strongest;
  std::vector<std::int32_t> table(power_of_two(2 * results_.size()), -1);  // finds places of `order` by key
  for (std::size_t row = 0; row < results_.size(); ++row) {
    Result& result = results_[row];
    std::uint64_t slot = result.key & (table.size() - 1);
    while (table[slot] >= 0 && results_[order[table[slot]]].key != result.key) slot = (slot + 1) & (table.size() - 1);
    if (table[slot] < 0) {
      table[slot] = static_cast<std::int32_t>(order.size());
      order.push_back(static_cast<std::int32_t>(row));
      strongest.push_back(result.acoustic);
      continue;
    }
    std::int32_t& place = order[table[slot]];
    const double sum = log_add(results_[place].acoustic, result.acoustic);
    if (result.acoustic > strongest[table[slot]]) {
      strongest[table[slot]] = result.acoustic;
      place = static_cast<std::int32_t>(row);
    }
    results_[place].acoustic = sum;
  }
  return order;
}

// The words, tokens and confidences of a result, after `rank`.
Transcription SearchSession::describe(const Result& result, const Confidence& confidence) const {
  Transcription spoken{result.acoustic, result.other, {}, {}};
  const bool added = result.word != kNoWord;
  const std::int32_t last_record =
      added ? beam_[result.hypothesis].record : histories_[result.history].last_record;
  std::size_t words = added ? 1 : 0, tokens = 0;
  for (std::int32_t row = result.history; row > 0; row = histories_[row].parent) ++words;
  for (std::int32_t record = last_record; record >= 0; record = records_[record].before) ++tokens;
  spoken.words.resize(words);
  spoken.tokens.resize(tokens);
  write_words(result, last_record, spoken);
  add_agreement(spoken);
  write_tokens(last_record, confidence, spoken);
  return spoken;
}

// Words with their times and the place of their first token, from the last word back.
void SearchSession::write_words(const Result& result, std::int32_t last_record, Transcription& spoken) const {
  std::int32_t row = result.history, record = last_record;
  std::int32_t place = static_cast<std::int32_t>(spoken.tokens.size());
  for (std::size_t index = spoken.words.size(); index-- > 0;) {
    SpokenWord& word = spoken.words[index];
    if (index + 1 == spoken.words.size() && result.word != kNoWord) {
      const Hypothesis& hypothesis = beam_[result.hypothesis];
      word = {result.word, hypothesis.first_frame, hypothesis.end_frame, 0, 0.0};
    } else {
      const History& history = histories_[row];
      word = {history.word, history.first_frame, history.end_frame, 0, 0.0};
      row = history.parent;
    }
    const std::int32_t until = histories_[row].last_record;
    for (; record != until && record >= 0; record = records_[record].before) --place;
    word.first_token = place;
  }
}

// Add to each word's confidence the posteriors of those results that hold it at an overlapping time.
void SearchSession::add_agreement(Transcription& spoken) const {
  for (const Result& result : results_) {
    if (result.posterior == 0.0) continue;
    std::int64_t place = static_cast<std::int64_t>(spoken.words.size()) - 1;
    std::int32_t row = result.history, word = result.word;
    std::int32_t start = beam_[result.hypothesis].first_frame, end = beam_[result.hypothesis].end_frame;
    for (bool added = word != kNoWord; added || row > 0; added = false) {
      if (!added) {
        const History& history = histories_[row];
        word = history.word;
        start = history.first_frame;
        end = history.end_frame;
        row = history.parent;
      }
      while (place >= 0 && spoken.words[place].first_frame >= end) --place;
      for (std::int64_t match = place; match >= 0 && spoken.words[match].end_frame > start; --match) {
        if (spoken.words[match].word != word) continue;
        spoken.words[match].confidence += result.posterior;
        break;
      }
    }
  }
}

// Tokens with their frames, from the last back; and the words' posteriors made confidences by what the tokens weigh.
void SearchSession::write_tokens(std::int32_t last_record, const Confidence& confidence, Transcription& spoken) const {
  const std::int32_t boundary = graph_->settings().boundary;
  std::int32_t record = last_record, place = static_cast<std::int32_t>(spoken.tokens.size());
  const auto take = [&]() -> const TokenRecord& {
    const TokenRecord& taken = records_[record];
    spoken.tokens[--place] = {taken.token, taken.frame};
    record = taken.before;
    return taken;
  };
  for (std::size_t index = spoken.words.size(); index-- > 0;) {
    SpokenWord& word = spoken.words[index];
    double below = 0.0;
    std::int32_t counted = 0;
    while (place > word.first_token) {
      const TokenRecord& taken = take();
      if (taken.token == boundary) continue;
      below += taken.millinats_below;
      ++counted;
    }
    const double posterior = std::min(std::max(word.confidence, kUnsure), 1 - kUnsure);
    double total = confidence.bias + confidence.slope * (std::log(posterior) - std::log1p(-posterior));
    total -= confidence.evidence * below / 1000 / std::max(1, counted);
    word.confidence = 1 / (1 + std::exp(-total));
  }
  while (place > 0) take();  // a boundary before the first word
}

}  // namespace asr
