// Products of a few vectors with a weight matrix, for language models inside the search.
//
// Both kinds hold the weights in panels of 16 outputs, so that one register holds the same inputs of 16 outputs and no
// sum across a register is needed. Instructions are chosen when the program runs: AVX-512 (with VNNI), AVX2, or what
// the compiler makes of plain loops. Products of one vector do not depend on the others of a call.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace asr {

constexpr std::size_t kPanel = 16;  // outputs

// Weights in single precision.
class FloatMatrix {
 public:
  FloatMatrix(const float* weights, std::size_t outputs, std::size_t inputs);  // (outputs, inputs)

  std::size_t outputs() const { return outputs_; }
  std::size_t inputs() const { return inputs_; }

  // products (count, outputs) of vectors (count, inputs)
  void multiply(const float* vectors, std::size_t count, float* products) const;

 private:
  std::size_t outputs_, inputs_;
  std::vector<float> panels_;  // (panel, input, output of the panel)
};

// Weights in 8 bits, -127..127 steps of a scale of each row; the vectors are rounded to 127 steps over their range as
// they come (dynamic quantisation). The sums are of integers, so that all machines give the same.
class ByteMatrix {
 public:
  ByteMatrix(const float* weights, std::size_t outputs, std::size_t inputs);  // rounded to their rows' steps
  // steps: -127..127 (outputs, inputs); scales: the size of each row's steps.
  ByteMatrix(const std::int8_t* steps, const float* scales, std::size_t outputs, std::size_t inputs);

  std::size_t outputs() const { return outputs_; }
  std::size_t inputs() const { return inputs_; }

  void multiply(const float* vectors, std::size_t count, float* products) const;

 private:
  ByteMatrix(std::size_t outputs, std::size_t inputs);
  void put(std::size_t output, std::size_t input, std::int8_t step);

  std::size_t outputs_, inputs_, groups_;  // groups of four inputs
  std::vector<std::int8_t> panels_;        // (panel, group, output of the panel, input of the group)
  std::vector<float> scales_;              // of outputs, to whole panels
  std::vector<std::int32_t> sums_;         // of each output's weights, to whole panels
};

// ln of the sum of exp over each row of values (rows, columns).
void log_sums(const float* values, std::size_t rows, std::size_t columns, double* sums);

// One step of LSTM cells (Hochreiter & Schmidhuber 1997, with forget gates): gates (rows, 4 * size), in torch's order
// input, forget, candidate, output, are overwritten; cells (rows, size) go from before the step to after it.
void lstm_step(float* gates, std::size_t rows, std::size_t size, float* cells, float* outputs);

}  // namespace asr
