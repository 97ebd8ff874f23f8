#include "words.hpp"

#include <functional>
#include <utility>

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

std::vector<std::int32_t> find_words(std::string_view vocabulary, std::string_view words) {
  WordTable table;
  std::vector<std::int32_t> places;  // of the table's words in the vocabulary
  std::int32_t next = 0;
  for_each_word(vocabulary, [&](std::string_view word) {
    bool is_new;
    const auto number = static_cast<std::size_t>(table.add(word, &is_new));
    if (is_new) places.push_back(next);
    else places[number] = next;
    ++next;
  });
  std::vector<std::int32_t> ids;
  for_each_word(words, [&](std::string_view word) {
    const std::int32_t number = table.find(word);
    ids.push_back(number < 0 ? -1 : places[static_cast<std::size_t>(number)]);
  });
  return ids;
}

}  // namespace asr
