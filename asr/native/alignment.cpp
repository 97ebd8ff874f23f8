#include "alignment.hpp"

#include <algorithm>
#include <limits>
#include <stdexcept>

namespace asr {

namespace {

constexpr double kNowhere = -std::numeric_limits<double>::infinity();

bool all_below(const std::vector<std::int32_t>& values, std::size_t bound) {
  return std::all_of(values.begin(), values.end(),
                     [=](std::int32_t value) { return value >= 0 && static_cast<std::size_t>(value) < bound; });
}

void check(const AlignmentGraph& graph, std::size_t token_count) {
  const std::size_t size = graph.tokens.size();
  const bool sizes = size > 0 && graph.first.size() == size + 1 && !graph.starts.empty() && !graph.ends.empty();
  if (!sizes || graph.first[0] != 0 || static_cast<std::size_t>(graph.first[size]) != graph.sources.size() ||
      !std::is_sorted(graph.first.begin(), graph.first.end()) || !all_below(graph.tokens, token_count) ||
      !all_below(graph.sources, size) || !all_below(graph.starts, size) || !all_below(graph.ends, size))
    throw std::invalid_argument("the states of the text hold a token or state that there is not");
}

// How many states the farthest arc leaps.
std::size_t reach(const AlignmentGraph& graph) {
  std::int32_t farthest = 1;
  for (std::size_t state = 0; state < graph.tokens.size(); ++state)
    for (std::int32_t arc = graph.first[state]; arc < graph.first[state + 1]; ++arc)
      farthest = std::max(farthest, static_cast<std::int32_t>(state) - graph.sources[arc]);
  return static_cast<std::size_t>(farthest);
}

// The states from low to high - 1, outside of which no path is alive.
struct Window {
  std::size_t low, high;
};

// One frame: fill `after` and where each state of the window was reached from; narrows the window to what is alive.
void advance(const AlignmentGraph& graph, const float* row, const std::vector<double>& scores, double beam,
             std::vector<double>& after, std::vector<std::int32_t>& origins, Window& window) {
  double best_of_all = kNowhere;
  origins.resize(window.high - window.low);
  for (std::size_t state = window.low; state < window.high; ++state) {
    double best = scores[state];
    std::int32_t origin = static_cast<std::int32_t>(state);
    for (std::int32_t arc = graph.first[state]; arc < graph.first[state + 1]; ++arc) {
      const std::int32_t source = graph.sources[arc];
      if (scores[source] > best) {
        best = scores[source];
        origin = source;
      }
    }
    best += row[graph.tokens[state]];
    after[state] = best;
    origins[state - window.low] = origin;
    best_of_all = std::max(best_of_all, best);
  }
  const double limit = best_of_all - beam;
  while (window.low + 1 < window.high && !(after[window.low] >= limit)) after[window.low++] = kNowhere;
  while (window.high > window.low + 1 && !(after[window.high - 1] >= limit)) after[--window.high] = kNowhere;
}

}  // namespace

std::vector<std::int32_t> best_path(const float* log_probs, std::size_t frames, std::size_t token_count,
                                    const AlignmentGraph& graph, double beam) {
  check(graph, token_count);
  if (frames == 0) return {};
  const std::size_t size = graph.tokens.size(), leap = reach(graph);
  std::vector<double> scores(size, kNowhere), after(size, kNowhere);
  for (const std::int32_t state : graph.starts) scores[state] = log_probs[graph.tokens[state]];
  Window window{0, static_cast<std::size_t>(*std::max_element(graph.starts.begin(), graph.starts.end())) + 1};
  std::vector<std::size_t> lows(frames);  // of the window that the origins of a frame are of
  std::vector<std::vector<std::int32_t>> origins(frames);
  for (std::size_t frame = 1; frame < frames; ++frame) {
    const Window before = window;
    window.high = std::min(size, window.high + leap);
    lows[frame] = window.low;
    advance(graph, log_probs + frame * token_count, scores, beam, after, origins[frame], window);
    std::fill(scores.begin() + before.low, scores.begin() + before.high, kNowhere);
    scores.swap(after);
  }
  std::int32_t state = graph.ends[0];
  for (const std::int32_t end : graph.ends)
    if (scores[end] > scores[state]) state = end;
  if (scores[state] == kNowhere) return {};
  std::vector<std::int32_t> path(frames);
  for (std::size_t frame = frames; frame-- > 0;) {
    path[frame] = state;
    if (frame > 0) state = origins[frame][state - lows[frame]];
  }
  return path;
}

std::vector<std::int32_t> best_chain_path(const float* log_probs, std::size_t frames, std::size_t token_count,
                                          const std::vector<std::int32_t>& chain, const std::vector<bool>& optional) {
  const std::size_t size = chain.size();
  if (size == 0 || frames == 0 || optional.size() != size || !all_below(chain, token_count))
    throw std::invalid_argument("a chain needs frames, and tokens that there are");
  std::vector<double> scores(size + 2, kNowhere);  // two places before the chain
  scores[2] = log_probs[chain[0]];
  if (optional[0] && size > 1) scores[3] = log_probs[chain[1]];
  std::vector<std::int8_t> steps(frames * size);
  for (std::size_t frame = 1; frame < frames; ++frame) {
    const float* row = log_probs + frame * token_count;
    for (std::size_t place = size; place-- > 0;) {
      double best = scores[place + 2];
      std::int8_t step = 0;
      if (scores[place + 1] > best) {
        best = scores[place + 1];
        step = 1;
      }
      if (place > 0 && optional[place - 1] && scores[place] > best) {
        best = scores[place];
        step = 2;
      }
      scores[place + 2] = best + row[chain[place]];
      steps[frame * size + place] = step;
    }
  }
  std::size_t place = size - 1;
  if (optional[place] && size > 1 && scores[place + 1] > scores[place + 2]) --place;
  std::vector<std::int32_t> path(frames);
  for (std::size_t frame = frames; frame-- > 0;) {
    path[frame] = static_cast<std::int32_t>(place);
    place -= static_cast<std::size_t>(steps[frame * size + place]);
  }
  return path;
}

}  // namespace asr
