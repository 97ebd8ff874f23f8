// The text form of lexicons: lines of a word, a tab, and the tokens that spell it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "words.hpp"

namespace asr {

// All spellings, those of a word one after the other, words in the order of their first spelling.
struct Spellings {
  std::vector<std::int32_t> tokens;   // of all spellings
  std::vector<std::int64_t> offsets;  // of each spelling in the tokens, and their end
  std::vector<std::int32_t> words;    // of each spelling
};

// Reads a lexicon, block by block.
class LexiconReader {
 public:
  explicit LexiconReader(const std::vector<std::string>& tokens);

  // Whether to go on: false where the text is not understood.
  bool feed(std::string_view block);

  // Whether the lexicon was understood.
  bool finish();

  const WordTable& words() const { return words_; }

  // The spellings, each once.
  Spellings spellings() const;

 private:
  bool use(std::string_view line);

  LineReader lines_;
  bool understood_ = true;
  WordTable tokens_, words_;
  Spellings read_;  // in the order of the lines
};

}  // namespace asr
