#include "words.hpp"

#include <algorithm>
#include <functional>
#include <limits>
#include <stdexcept>
#include <utility>

#include "hashing.hpp"

namespace asr {

int split_fields(std::string_view line, std::string_view* fields, int most) {
  int count = 0;
  const char* at = line.data();
  const char* const end = at + line.size();
  while (true) {
    while (at != end && (*at == ' ' || *at == '\t')) ++at;
    if (at == end) return count;
    const char* const first = at;
    while (at != end && static_cast<unsigned char>(*at) > ' ') ++at;
    if ((at != end && *at != ' ' && *at != '\t') || count == most) return -1;
    fields[count++] = std::string_view(first, static_cast<std::size_t>(at - first));
  }
}

namespace {

std::uint32_t hash_of(std::string_view word) { return static_cast<std::uint32_t>(std::hash<std::string_view>()(word)); }

// Part of the format of stored indices: FNV-1a, its halves folded.
std::size_t stored_hash(std::string_view word) {
  std::uint64_t hash = 0xCBF29CE484222325u;
  for (const char letter : word) hash = (hash ^ static_cast<unsigned char>(letter)) * 0x100000001B3u;
  return static_cast<std::size_t>((hash ^ (hash >> 32)) & 0xFFFFFFFFu);
}

template <typename Use>
void for_each_word(std::string_view packed, Use use) {
  for (std::size_t end; (end = packed.find('\n')) != std::string_view::npos; packed.remove_prefix(end + 1))
    use(packed.substr(0, end));
  use(packed);
}

}  // namespace

WordTable::WordTable() : starts_{0}, slots_(1024, Slot{0, -1}) {}

std::size_t WordTable::place(std::string_view wanted, std::uint32_t hash) const {
  const std::size_t mask = slots_.size() - 1;
  std::size_t slot = hash & mask;
  while (slots_[slot].word >= 0 && (slots_[slot].hash != hash || word(slots_[slot].word) != wanted))
    slot = (slot + 1) & mask;
  return slot;
}

std::int32_t WordTable::find(std::string_view word) const { return slots_[place(word, hash_of(word))].word; }

std::int32_t WordTable::add(std::string_view word, bool* is_new) {
  const std::uint32_t hash = hash_of(word);
  std::size_t slot = place(word, hash);
  *is_new = slots_[slot].word < 0;
  if (!*is_new) return slots_[slot].word;
  if (2 * (size() + 1) > slots_.size()) {
    grow();
    slot = place(word, hash);
  }
  const auto number = static_cast<std::int32_t>(size());
  slots_[slot] = {hash, number};
  text_.append(word).push_back('\n');
  starts_.push_back(text_.size());
  return number;
}

void WordTable::grow() {
  const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(2 * slots_.size(), Slot{0, -1}));
  const std::size_t mask = slots_.size() - 1;
  for (const Slot& old : before) {
    if (old.word < 0) continue;
    std::size_t slot = old.hash & mask;
    while (slots_[slot].word >= 0) slot = (slot + 1) & mask;
    slots_[slot] = old;
  }
}

std::vector<std::int32_t> word_starts(std::string_view text) {
  if (text.size() >= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw std::invalid_argument("a list of words is too long");
  std::vector<std::int32_t> starts{0};
  for_each_word(text, [&](std::string_view word) {
    starts.push_back(starts.back() + static_cast<std::int32_t>(word.size()) + 1);
  });
  return starts;
}

WordIndex::WordIndex(Array<std::uint8_t> text, Array<std::int32_t> starts, Array<std::int32_t> slots)
    : text_(std::move(text)), starts_(std::move(starts)), slots_(std::move(slots)) {
  const bool is_empty = starts_.size() == 1 && text_.size() == 0;
  if (starts_.size() == 0 || starts_[0] != 0 ||
      (!is_empty && static_cast<std::size_t>(starts_[size()]) != text_.size() + 1) ||
      std::adjacent_find(starts_.begin(), starts_.end(), std::greater_equal<>()) != starts_.end())
    throw std::invalid_argument("the starts of words do not fit their text");
  std::size_t breaks = 0;
  for (std::size_t number = 1; number < size(); ++number) breaks += text_[starts_[number] - 1] == '\n';
  if (!is_empty && (breaks + 1 != size() || std::count(text_.begin(), text_.end(), '\n') != static_cast<std::ptrdiff_t>(breaks)))
    throw std::invalid_argument("the starts of words do not fit their text");
  bool has_free = false;
  for (const std::int32_t number : slots_) {
    if (number < -1 || number >= static_cast<std::int32_t>(size()))
      throw std::invalid_argument("an index of words names a word that is not there");
    has_free = has_free || number < 0;
  }
  if (!has_free || (slots_.size() & (slots_.size() - 1)) != 0)
    throw std::invalid_argument("an index of words must have a power of two of slots, not all of them taken");
}

std::vector<std::int32_t> WordIndex::build_slots(std::string_view text, const std::vector<std::int32_t>& starts) {
  std::vector<std::int32_t> slots(power_of_two(2 * starts.size()), -1);
  const std::size_t mask = slots.size() - 1;
  const auto word = [&](std::size_t number) {
    return text.substr(starts[number], starts[number + 1] - starts[number] - 1);
  };
  for (std::size_t number = 0; number + 1 < starts.size(); ++number) {
    std::size_t slot = stored_hash(word(number)) & mask;
    while (slots[slot] >= 0 && word(slots[slot]) != word(number)) slot = (slot + 1) & mask;
    slots[slot] = static_cast<std::int32_t>(number);
  }
  return slots;
}

std::string_view WordIndex::word(std::size_t number) const {
  const void* first = text_.data() + starts_[number];
  return {static_cast<const char*>(first), static_cast<std::size_t>(starts_[number + 1] - starts_[number] - 1)};
}

std::int32_t WordIndex::find(std::string_view wanted) const {
  const std::size_t mask = slots_.size() - 1;
  for (std::size_t slot = stored_hash(wanted) & mask; slots_[slot] >= 0; slot = (slot + 1) & mask)
    if (word(slots_[slot]) == wanted) return slots_[slot];
  return -1;
}

std::vector<std::int32_t> WordIndex::find_all(std::string_view words) const {
  std::vector<std::int32_t> numbers;
  for_each_word(words, [&](std::string_view word) { numbers.push_back(find(word)); });
  return numbers;
}

}  // namespace asr
