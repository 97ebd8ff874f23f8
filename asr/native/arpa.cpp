#include "arpa.hpp"

#include <algorithm>
#include <cmath>

namespace asr {

namespace {

constexpr std::size_t kMostReserved = std::size_t{1} << 24;  // n-grams: a damaged header must not fill the memory
const float kLog10 = static_cast<float>(std::log(10.0));

// A decimal number, correctly rounded: one whose digits and power of ten are both exact in double precision, so that
// only the last operation rounds (Clinger 1990). Returns false for all others.
bool read_decimal(std::string_view text, float* value) {
  static constexpr double kPowers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                       1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
  constexpr std::size_t kMostDigits = 15;
  std::size_t at = 0;
  const bool negative = at < text.size() && text[at] == '-';
  at += negative;
  std::int64_t digits = 0;
  std::size_t count = 0;
  int exponent = 0;
  bool after_point = false;
  for (; at < text.size() && text[at] != 'e' && text[at] != 'E'; ++at) {
    if (text[at] == '.' && !after_point) {
      after_point = true;
    } else if ('0' <= text[at] && text[at] <= '9' && ++count <= kMostDigits) {
      digits = 10 * digits + (text[at] - '0');
      exponent -= after_point;
    } else {
      return false;
    }
  }
  if (count == 0) return false;
  if (at < text.size()) {
    ++at;
    const bool below = at < text.size() && text[at] == '-';
    at += at < text.size() && (text[at] == '-' || text[at] == '+');
    if (at == text.size() || text.size() - at > 2) return false;
    int given = 0;
    for (; at < text.size(); ++at) {
      if (text[at] < '0' || '9' < text[at]) return false;
      given = 10 * given + (text[at] - '0');
    }
    exponent += below ? -given : given;
  }
  if (exponent < -22 || 22 < exponent) return false;
  const auto whole = static_cast<double>(digits);
  const double size = exponent < 0 ? whole / kPowers[-exponent] : whole * kPowers[exponent];
  *value = static_cast<float>(negative ? -size : size);
  return true;
}

// Whether a line is all printable ASCII and tabs.
bool is_plain(std::string_view line) {
  return std::all_of(line.begin(), line.end(), [](char c) { return (' ' <= c && c <= '~') || c == '\t'; });
}

bool read_count_of(std::string_view text, std::size_t* value) {
  if (text.empty() || text.size() > 10) return false;
  *value = 0;
  for (const char digit : text) {
    if (digit < '0' || '9' < digit) return false;
    *value = 10 * *value + static_cast<std::size_t>(digit - '0');
  }
  return true;
}

}  // namespace

bool ArpaReader::feed(std::string_view block) {
  return lines_.feed(block, [this](std::string_view line) { return use(line); });
}

bool ArpaReader::finish() {
  if (part_ == Part::kNgrams) lines_.finish([this](std::string_view line) { return use(line); });
  return part_ == Part::kEnd;
}

bool ArpaReader::use(std::string_view line) {
  part_ = next_part(line);
  return part_ != Part::kEnd && part_ != Part::kNotUnderstood;
}

ArpaReader::Part ArpaReader::next_part(std::string_view line) {
  if (part_ == Part::kPreface && !is_plain(line)) return Part::kNotUnderstood;
  std::array<std::string_view, kMaxOrder + 2> fields;
  const int count = split_fields(line, fields.data(), static_cast<int>(fields.size()));
  if (part_ == Part::kPreface) return count == 1 && fields[0] == "\\data\\" ? Part::kCounts : Part::kPreface;
  if (count < 0) return Part::kNotUnderstood;
  if (count == 0) return part_;
  if (part_ == Part::kCounts) return read_count(fields.data(), count);
  if (line[0] == '\\') return count == 1 ? end_section(fields[0]) : Part::kNotUnderstood;
  return read_ngram(fields.data(), count) ? Part::kNgrams : Part::kNotUnderstood;
}

// A line "ngram 2=1234", or the title of the first section.
ArpaReader::Part ArpaReader::read_count(const std::string_view* fields, int count) {
  if (count == 1 && fields[0] == "\\1-grams:" && !sections_.empty()) {
    order_ = 1;
    return Part::kNgrams;
  }
  const int order = static_cast<int>(sections_.size()) + 1;
  if (count != 2 || fields[0] != "ngram" || order > kMaxOrder) return Part::kNotUnderstood;
  const std::string_view numbers = fields[1];
  const std::string start = std::to_string(order) + "=";
  NgramSection section;
  if (numbers.substr(0, start.size()) != start || !read_count_of(numbers.substr(start.size()), &section.promised))
    return Part::kNotUnderstood;
  const std::size_t reserved = section.promised < kMostReserved ? section.promised : 0;
  section.grams.reserve(reserved * static_cast<std::size_t>(order));
  section.log_probs.reserve(reserved);
  section.backoffs.reserve(reserved);
  sections_.push_back(std::move(section));
  return Part::kCounts;
}

ArpaReader::Part ArpaReader::end_section(std::string_view title) {
  const NgramSection& section = sections_[static_cast<std::size_t>(order_) - 1];
  if (section.log_probs.size() != section.promised) return Part::kNotUnderstood;
  if (order_ == static_cast<int>(sections_.size())) return title == "\\end\\" ? Part::kEnd : Part::kNotUnderstood;
  ++order_;
  for (std::string& word : last_words_) word.clear();
  return title == "\\" + std::to_string(order_) + "-grams:" ? Part::kNgrams : Part::kNotUnderstood;
}

bool ArpaReader::read_ngram(const std::string_view* fields, int count) {
  NgramSection& section = sections_[static_cast<std::size_t>(order_) - 1];
  float log_prob = 0.0f, backoff = 0.0f;
  if (count <= order_ || count > order_ + 2 || section.log_probs.size() == section.promised) return false;
  if (!read_decimal(fields[0], &log_prob)) return false;
  if (count == order_ + 2 && !read_decimal(fields[order_ + 1], &backoff)) return false;
  if (order_ == 1) {
    bool is_new = false;
    section.grams.push_back(words_.add(fields[1], &is_new));
    if (!is_new) return false;
  } else {
    for (int place = 0; place < order_; ++place) {
      const std::int32_t id = word_id(place, fields[place + 1]);
      if (id < 0) return false;
      section.grams.push_back(id);
    }
  }
  section.log_probs.push_back(log_prob * kLog10);
  section.backoffs.push_back(backoff * kLog10);
  return true;
}

std::int32_t ArpaReader::word_id(int place, std::string_view word) {
  const auto index = static_cast<std::size_t>(place);
  if (last_words_[index] != word) {
    last_words_[index] = word;
    last_ids_[index] = words_.find(word);
  }
  return last_ids_[index];
}

}  // namespace asr
