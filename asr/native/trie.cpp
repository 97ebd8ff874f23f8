#include "trie.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

#include "hashing.hpp"

namespace asr {

namespace {

// Whether `starts` are the bounds of `nodes` runs that cover `size` entries.
bool are_bounds(const Array<std::int32_t>& starts, std::size_t nodes, std::size_t size) {
  if (starts.size() != nodes + 1 || starts[0] != 0 || static_cast<std::size_t>(starts[nodes]) != size) return false;
  return std::is_sorted(starts.begin(), starts.end());
}

bool all_within(const Array<std::int32_t>& values, std::int32_t low, std::int32_t high) {
  return std::all_of(values.begin(), values.end(), [=](std::int32_t value) { return low <= value && value < high; });
}

}  // namespace

Trie::Trie(Array<std::int32_t> child_starts, Array<std::int32_t> child_tokens, Array<std::int32_t> word_starts,
           Array<std::int32_t> words, std::int32_t token_count, std::int32_t word_count)
    : child_starts_(std::move(child_starts)),
      child_tokens_(std::move(child_tokens)),
      word_starts_(std::move(word_starts)),
      words_(std::move(words)),
      token_count_(token_count),
      word_count_(word_count) {
  const std::size_t nodes = child_tokens_.size() + 1;
  if (nodes >= static_cast<std::size_t>(std::numeric_limits<std::int32_t>::max()))
    throw std::invalid_argument("the lexicon's tree has too many nodes");
  if (!are_bounds(child_starts_, nodes, nodes - 1) || !are_bounds(word_starts_, nodes, words_.size()))
    throw std::invalid_argument("the lexicon's tree has nodes without a place");
  if (!all_within(child_tokens_, 1, token_count) || !all_within(words_, 0, word_count))
    throw std::invalid_argument("the lexicon's tree holds a token or word that there is not");
  node_count_ = static_cast<std::int32_t>(nodes);
  for (std::int32_t node = 0; node < node_count_; ++node) {
    // A child below its parent is what makes the tree finite; one parent each follows from the bounds.
    if (child_starts_[node] < node && has_children(node))
      throw std::invalid_argument("the lexicon's tree is not numbered breadth first");
    most_words_ = std::max(most_words_, end_of_words(node) - first_word(node));
  }
}

std::int32_t Trie::child(std::int32_t node, std::int32_t token) const {
  for (std::int32_t child = first_child(node); child < end_of_children(node); ++child)
    if (this->token(child) == token) return child;
  return -1;
}

std::vector<float> Trie::best_below(const float* scores) const {
  std::vector<float> best(node_count_, -std::numeric_limits<float>::infinity());
  for (std::int32_t node = node_count_ - 1; node >= 0; --node) {  // children before their parents
    for (std::int32_t place = first_word(node); place < end_of_words(node); ++place)
      best[node] = std::max(best[node], scores[words_[place]]);
    for (std::int32_t child = first_child(node); child < end_of_children(node); ++child)
      best[node] = std::max(best[node], best[child]);
  }
  return best;
}

namespace {

// Nodes in the order of their making, found by parent and token.
class Builder {
 public:
  Builder() : slots_(1024, Slot{kFree, 0}), parents_{-1}, tokens_{-1} {}

  std::int32_t child(std::int32_t parent, std::int32_t token) {
    const std::uint64_t key = static_cast<std::uint64_t>(parent) << 32 | static_cast<std::uint32_t>(token);
    std::uint64_t slot = place(key);
    if (slots_[slot].key == kFree) {
      if (2 * parents_.size() > slots_.size()) {
        grow();
        slot = place(key);
      }
      slots_[slot] = {key, static_cast<std::int32_t>(parents_.size())};
      parents_.push_back(parent);
      tokens_.push_back(token);
    }
    return slots_[slot].node;
  }

  const std::vector<std::int32_t>& parents() const { return parents_; }
  const std::vector<std::int32_t>& tokens() const { return tokens_; }

 private:
  static constexpr std::uint64_t kFree = ~std::uint64_t{0};
  struct Slot {
    std::uint64_t key;
    std::int32_t node;
  };

  std::uint64_t place(std::uint64_t key) const {
    const std::uint64_t mask = slots_.size() - 1;
    std::uint64_t slot = join(key, 0) & mask;
    while (slots_[slot].key != kFree && slots_[slot].key != key) slot = (slot + 1) & mask;
    return slot;
  }

  void grow() {
    const std::vector<Slot> before = std::exchange(slots_, std::vector<Slot>(2 * slots_.size(), Slot{kFree, 0}));
    for (const Slot& slot : before)
      if (slot.key != kFree) slots_[place(slot.key)] = slot;
  }

  std::vector<Slot> slots_;
  std::vector<std::int32_t> parents_, tokens_;
};

// How many tokens two neighbouring spellings begin with in common.
std::size_t common_start(const std::int32_t* tokens, const std::int64_t* offsets, std::size_t spelling) {
  const std::int32_t* const first = tokens + offsets[spelling - 1];
  const std::int32_t* const second = tokens + offsets[spelling];
  const std::int32_t* const end = tokens + offsets[spelling + 1];
  return static_cast<std::size_t>(std::mismatch(first, second, second, end).first - first);
}

}  // namespace

TrieArrays build_trie(const std::int32_t* tokens, const std::int64_t* offsets, std::size_t spelling_count) {
  Builder builder;
  TrieArrays trie;
  std::vector<std::int32_t> path;  // nodes of the last spelling: in a sorted lexicon the next one shares most of them
  for (std::size_t spelling = 0; spelling < spelling_count; ++spelling) {
    path.resize(spelling == 0 ? 0 : common_start(tokens, offsets, spelling));
    std::int32_t node = path.empty() ? kRoot : path.back();
    for (std::int64_t place = offsets[spelling] + static_cast<std::int64_t>(path.size()); place < offsets[spelling + 1];
         ++place) {
      node = builder.child(node, tokens[place]);
      path.push_back(node);
    }
    trie.ends.push_back(node);
  }
  // Children of each node in the order of their making, then breadth first.
  const std::size_t nodes = builder.parents().size();
  std::vector<std::int32_t> starts(nodes + 1, 0), children(nodes - 1);
  for (std::size_t node = 1; node < nodes; ++node) ++starts[builder.parents()[node] + 1];
  for (std::size_t node = 0; node < nodes; ++node) starts[node + 1] += starts[node];
  std::vector<std::int32_t> next(starts.begin(), starts.end() - 1);
  for (std::size_t node = 1; node < nodes; ++node)
    children[next[builder.parents()[node]]++] = static_cast<std::int32_t>(node);
  std::vector<std::int32_t> order{kRoot}, numbers(nodes);
  order.reserve(nodes);
  trie.child_starts.assign(1, 0);
  for (std::size_t place = 0; place < nodes; ++place) {
    const std::int32_t node = order[place];
    numbers[node] = static_cast<std::int32_t>(place);
    if (node != kRoot) trie.child_tokens.push_back(builder.tokens()[node]);
    order.insert(order.end(), children.begin() + starts[node], children.begin() + starts[node + 1]);
    trie.child_starts.push_back(static_cast<std::int32_t>(order.size()) - 1);
  }
  for (std::int32_t& end : trie.ends) end = numbers[end];
  return trie;
}

}  // namespace asr
