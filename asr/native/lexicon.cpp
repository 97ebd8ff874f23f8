#include "lexicon.hpp"

#include <algorithm>
#include <numeric>

namespace asr {

LexiconReader::LexiconReader(const std::vector<std::string>& tokens) {
  bool is_new = true;
  for (const std::string& token : tokens) {
    tokens_.add(token, &is_new);
    understood_ = understood_ && is_new;
  }
  read_.offsets.push_back(0);
}

bool LexiconReader::feed(std::string_view block) {
  return understood_ && lines_.feed(block, [this](std::string_view line) { return use(line); });
}

bool LexiconReader::finish() {
  if (understood_) lines_.finish([this](std::string_view line) { return use(line); });
  return understood_ && words_.size() > 0;
}

bool LexiconReader::use(std::string_view line) {
  understood_ = false;
  const std::size_t tab = line.find('\t');
  if (tab == std::string_view::npos) return understood_ = line.empty();
  // A word with a space in it, or with one around it, is left to the other reader.
  std::string_view word, token;
  if (split_fields(line.substr(0, tab), &word, 1) != 1) return false;
  bool is_new = false;
  const std::size_t before = read_.tokens.size();
  std::string_view rest = line.substr(tab + 1);
  while (!rest.empty()) {
    const std::size_t end = std::min(rest.find_first_of(" \t"), rest.size());
    token = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    if (token.empty()) continue;
    const std::int32_t id = tokens_.find(token);
    if (id < 0) return false;
    read_.tokens.push_back(id);
  }
  if (read_.tokens.size() == before) return false;
  read_.words.push_back(words_.add(word, &is_new));
  read_.offsets.push_back(static_cast<std::int64_t>(read_.tokens.size()));
  return understood_ = true;
}

Spellings LexiconReader::spellings() const {
  std::vector<std::size_t> order(read_.words.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto by_word = [&](std::size_t left, std::size_t right) { return read_.words[left] < read_.words[right]; };
  if (!std::is_sorted(order.begin(), order.end(), by_word)) std::stable_sort(order.begin(), order.end(), by_word);
  Spellings sorted;
  sorted.offsets.push_back(0);
  sorted.tokens.reserve(read_.tokens.size());
  const auto begin = [&](std::size_t line) { return read_.tokens.begin() + read_.offsets[line]; };
  for (const std::size_t line : order) {
    const auto is_same = [&](std::size_t earlier) {
      return std::equal(sorted.tokens.begin() + sorted.offsets[earlier],
                        sorted.tokens.begin() + sorted.offsets[earlier + 1], begin(line), begin(line + 1));
    };
    bool is_repeated = false;
    for (std::size_t earlier = sorted.words.size(); earlier-- > 0 && sorted.words[earlier] == read_.words[line];)
      is_repeated = is_repeated || is_same(earlier);
    if (is_repeated) continue;
    sorted.tokens.insert(sorted.tokens.end(), begin(line), begin(line + 1));
    sorted.offsets.push_back(static_cast<std::int64_t>(sorted.tokens.size()));
    sorted.words.push_back(read_.words[line]);
  }
  return sorted;
}

}  // namespace asr
