// Viterbi paths of a known text through log-probabilities.
#pragma once

#include <cstdint>
#include <vector>

namespace asr {

// The states of a text in order; the arcs into state s come from sources[first[s]] to sources[first[s + 1] - 1].
struct AlignmentGraph {
  std::vector<std::int32_t> tokens;
  std::vector<std::int32_t> first;
  std::vector<std::int32_t> sources;
  std::vector<std::int32_t> starts, ends;  // states that a path may begin and end in
};

// The state of each frame on the likeliest path, or nothing if no end is reached. log_probs: (frames, tokens).
// beam: paths that are so many nats below the best of a frame are dropped at the margins of the text.
// Throws std::invalid_argument for states or tokens that there are not.
std::vector<std::int32_t> best_path(const float* log_probs, std::size_t frames, std::size_t token_count,
                                    const AlignmentGraph& graph, double beam);

// The place in `chain` of each frame on the likeliest path through all its tokens in order, of which those marked
// optional may be left out; no two of these follow each other. Needs at least as many frames as tokens that must be.
std::vector<std::int32_t> best_chain_path(const float* log_probs, std::size_t frames, std::size_t token_count,
                                          const std::vector<std::int32_t>& chain, const std::vector<bool>& optional);

}  // namespace asr
