// The text form of back-off n-gram models (ARPA files).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ngram.hpp"
#include "words.hpp"

namespace asr {

// The n-grams of one order; scores are natural logs.
struct NgramSection {
  std::size_t promised = 0;         // number of n-grams by the file's header
  std::vector<std::int32_t> grams;  // (n-grams, order) word ids, oldest first
  std::vector<float> log_probs, backoffs;
};

// Reads an ARPA file, block by block.
class ArpaReader {
 public:
  // Whether to go on: false at the end of the model, or where the text is not understood.
  bool feed(std::string_view block);

  // Whether the model was whole and understood.
  bool finish();

  const WordTable& words() const { return words_; }
  std::vector<NgramSection>& sections() { return sections_; }

 private:
  enum class Part { kPreface, kCounts, kNgrams, kEnd, kNotUnderstood };

  bool use(std::string_view line);
  Part next_part(std::string_view line);
  Part read_count(const std::string_view* fields, int count);
  Part end_section(std::string_view title);
  bool read_ngram(const std::string_view* fields, int count);
  std::int32_t word_id(int place, std::string_view word);

  LineReader lines_;
  Part part_ = Part::kPreface;
  std::vector<NgramSection> sections_;
  int order_ = 0;  // of the section being read
  WordTable words_;
  // The words of the last n-gram: the next one mostly begins with the same.
  std::array<std::string, kMaxOrder> last_words_;
  std::array<std::int32_t, kMaxOrder> last_ids_{};
};

}  // namespace asr
