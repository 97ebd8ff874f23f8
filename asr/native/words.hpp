// Text in lines and fields, and tables of words.
//
// The readers of this folder know plain text alone. Where there is anything else (a control character, a number in an
// unusual form, a word that should be known and is not) they stop, and Python's readers, which know all the rest and
// name a damaged line, take the file from its beginning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "array.hpp"

namespace asr {

// Cuts text that comes in blocks into lines without their ends, "\n" or "\r\n".
class LineReader {
 public:
  // Calls `use` with each line that ends in this block, until it returns false.
  template <typename Use>
  bool feed(std::string_view block, Use use) {
    for (std::size_t end; (end = block.find('\n')) != std::string_view::npos; block.remove_prefix(end + 1)) {
      std::string_view line = block.substr(0, end);
      if (!begun_.empty()) line = begun_.append(line);
      const bool goes_on = use(without_return(line));
      begun_.clear();
      if (!goes_on) return false;
    }
    begun_.append(block);
    return true;
  }

  // Calls `use` with the last line if it has no end.
  template <typename Use>
  bool finish(Use use) {
    return begun_.empty() || use(without_return(begun_));
  }

 private:
  static std::string_view without_return(std::string_view line) {
    if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
    return line;
  }

  std::string begun_;  // a line whose end has not come yet
};

// Splits a line at spaces and tabs into at most `most` fields. Returns their number, or -1 if there are more, or a
// control character.
int split_fields(std::string_view line, std::string_view* fields, int most);

// Different words, numbered in the order of their coming.
class WordTable {
 public:
  WordTable();

  // The number of a word, or -1 if it is not there.
  std::int32_t find(std::string_view word) const;

  // The number of a word that may be new, and whether it was.
  std::int32_t add(std::string_view word, bool* is_new);

  std::size_t size() const { return starts_.size() - 1; }

  // The words with "\n" between them.
  std::string packed() const { return text_.substr(0, text_.empty() ? 0 : text_.size() - 1); }

 private:
  struct Slot {
    std::uint32_t hash;
    std::int32_t word;  // -1: free
  };

  std::string_view word(std::int32_t number) const {
    return std::string_view(text_).substr(starts_[number], starts_[number + 1] - starts_[number] - 1);
  }
  std::size_t place(std::string_view word, std::uint32_t hash) const;
  void grow();

  std::string text_;                 // each word with "\n" after it
  std::vector<std::size_t> starts_;  // of the words in the text, and its end
  std::vector<Slot> slots_;
};

// Where the words of a text (with "\n" between them) begin, and last the text's end plus one.
std::vector<std::int32_t> word_starts(std::string_view text);

// Words by number and numbers by word, on arrays that may be mapped from a file: a text of words with "\n" between
// them, their starts, and an open-addressing table of their numbers by hash.
class WordIndex {
 public:
  // slots: a power of two of numbers, -1 where a slot is free. Throws std::invalid_argument for arrays that could lead
  // outside of the text.
  WordIndex(Array<std::uint8_t> text, Array<std::int32_t> starts, Array<std::int32_t> slots);

  // The slots of a text's words. Of equal words the last counts.
  static std::vector<std::int32_t> build_slots(std::string_view text, const std::vector<std::int32_t>& starts);

  std::size_t size() const { return starts_.size() - 1; }
  std::string_view word(std::size_t number) const;

  // The number of a word, or -1 if it is not there.
  std::int32_t find(std::string_view word) const;

  // The number of each of `words` (with "\n" between them), or -1.
  std::vector<std::int32_t> find_all(std::string_view words) const;

 private:
  Array<std::uint8_t> text_;
  Array<std::int32_t> starts_, slots_;
};

}  // namespace asr
