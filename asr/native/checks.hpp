// Whether arrays are log-probabilities.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>

namespace asr {

// Whether (frames, tokens) hold no NaN, nothing above `tolerance`, no frame without a finite value, and sums of one, within that many nats, in most of
// `checked` frames spread evenly over them.
inline bool are_log_probs(const float* values, std::size_t frames, std::size_t tokens, std::size_t checked,
                          double tolerance) {
  const std::size_t step = std::max<std::size_t>(1, (frames + checked - 1) / checked);
  std::size_t summed = 0, wrong = 0;
  for (std::size_t frame = 0; frame < frames; ++frame) {
    const float* row = values + frame * tokens;
    float best = -std::numeric_limits<float>::infinity();
    for (std::size_t token = 0; token < tokens; ++token) {
      if (!(row[token] <= tolerance)) return false;  // true of NaN
      best = std::max(best, row[token]);
    }
    if (std::isinf(best)) return false;
    if (frame % step != 0) continue;
    double total = 0.0;
    for (std::size_t token = 0; token < tokens; ++token) total += std::exp(static_cast<double>(row[token]));
    ++summed;
    wrong += !(std::abs(std::log(std::max(total, 1e-300))) <= tolerance);
  }
  return 2 * wrong <= summed;
}

}  // namespace asr
