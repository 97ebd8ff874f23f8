#include "products.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>

#if defined(__GNUC__) && defined(__x86_64__)
#define ASR_X86 1
#include <immintrin.h>
#define ASR_TARGET(features) __attribute__((target(features)))
#else
#define ASR_X86 0
#endif

// Loops that the compiler turns into vector instructions, once for each kind of processor.
#if ASR_X86 && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__)
#define ASR_CLONES __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ASR_CLONES
#endif

namespace asr {

namespace {

constexpr std::size_t kMostVectors = 8;  // that go through a panel at once: their sums stay in registers
constexpr float kSteps = 127.0f;

std::size_t panels_of(std::size_t outputs) { return (outputs + kPanel - 1) / kPanel; }

// One panel of single precision times `count` vectors: sums (count, 16).
using FloatKernel = void (*)(const float* panel, std::size_t inputs, const float* vectors, float* sums);
using FloatKernels = std::array<FloatKernel, kMostVectors>;  // for 1, 2, ... vectors

// One panel of bytes times `count` vectors of `groups` times four bytes: sums (count, 16).
using ByteKernel = void (*)(const std::int8_t* panel, std::size_t groups, const std::uint8_t* vectors,
                            std::int32_t* sums);
using ByteKernels = std::array<ByteKernel, kMostVectors>;

template <int count>
void float_plain(const float* panel, std::size_t inputs, const float* vectors, float* sums) {
  std::fill(sums, sums + count * kPanel, 0.0f);
  for (std::size_t input = 0; input < inputs; ++input)
    for (int vector = 0; vector < count; ++vector) {
      const float value = vectors[vector * inputs + input];
      for (std::size_t output = 0; output < kPanel; ++output)
        sums[vector * kPanel + output] += value * panel[input * kPanel + output];
    }
}

template <int count>
void byte_plain(const std::int8_t* panel, std::size_t groups, const std::uint8_t* vectors, std::int32_t* sums) {
  std::fill(sums, sums + count * kPanel, 0);
  for (std::size_t group = 0; group < groups; ++group)
    for (int vector = 0; vector < count; ++vector) {
      const std::uint8_t* values = vectors + (vector * groups + group) * 4;
      const std::int8_t* weights = panel + group * kPanel * 4;
      for (std::size_t output = 0; output < kPanel; ++output)
        for (std::size_t place = 0; place < 4; ++place)
          sums[vector * kPanel + output] += values[place] * weights[output * 4 + place];
    }
}

#if ASR_X86

template <int count>
ASR_TARGET("avx512f")
void float_avx512(const float* panel, std::size_t inputs, const float* vectors, float* sums) {
  __m512 totals[count];
  for (int vector = 0; vector < count; ++vector) totals[vector] = _mm512_setzero_ps();
  for (std::size_t input = 0; input < inputs; ++input) {
    const __m512 weights = _mm512_loadu_ps(panel + input * kPanel);
    for (int vector = 0; vector < count; ++vector)
      totals[vector] = _mm512_fmadd_ps(_mm512_set1_ps(vectors[vector * inputs + input]), weights, totals[vector]);
  }
  for (int vector = 0; vector < count; ++vector) _mm512_storeu_ps(sums + vector * kPanel, totals[vector]);
}

template <int count>
ASR_TARGET("avx2,fma")
void float_avx2(const float* panel, std::size_t inputs, const float* vectors, float* sums) {
  for (std::size_t half = 0; half < kPanel; half += 8) {
    __m256 totals[count];
    for (int vector = 0; vector < count; ++vector) totals[vector] = _mm256_setzero_ps();
    for (std::size_t input = 0; input < inputs; ++input) {
      const __m256 weights = _mm256_loadu_ps(panel + input * kPanel + half);
      for (int vector = 0; vector < count; ++vector)
        totals[vector] = _mm256_fmadd_ps(_mm256_set1_ps(vectors[vector * inputs + input]), weights, totals[vector]);
    }
    for (int vector = 0; vector < count; ++vector) _mm256_storeu_ps(sums + vector * kPanel + half, totals[vector]);
  }
}

inline std::int32_t four_bytes(const std::uint8_t* values) {
  std::int32_t four;
  std::memcpy(&four, values, 4);
  return four;
}

template <int count>
ASR_TARGET("avx512f,avx512vnni")
void byte_avx512(const std::int8_t* panel, std::size_t groups, const std::uint8_t* vectors, std::int32_t* sums) {
  __m512i totals[count];
  for (int vector = 0; vector < count; ++vector) totals[vector] = _mm512_setzero_si512();
  for (std::size_t group = 0; group < groups; ++group) {
    const __m512i weights = _mm512_loadu_si512(panel + group * kPanel * 4);
    for (int vector = 0; vector < count; ++vector) {
      const __m512i values = _mm512_set1_epi32(four_bytes(vectors + (vector * groups + group) * 4));
      totals[vector] = _mm512_dpbusd_epi32(totals[vector], values, weights);
    }
  }
  for (int vector = 0; vector < count; ++vector) _mm512_storeu_si512(sums + vector * kPanel, totals[vector]);
}

template <int count>
ASR_TARGET("avx2")
void byte_avx2(const std::int8_t* panel, std::size_t groups, const std::uint8_t* vectors, std::int32_t* sums) {
  const __m256i ones = _mm256_set1_epi16(1);
  for (std::size_t half = 0; half < kPanel; half += 8) {
    __m256i totals[count];
    for (int vector = 0; vector < count; ++vector) totals[vector] = _mm256_setzero_si256();
    for (std::size_t group = 0; group < groups; ++group) {
      const void* place = panel + (group * kPanel + half) * 4;
      const __m256i weights = _mm256_loadu_si256(static_cast<const __m256i*>(place));
      for (int vector = 0; vector < count; ++vector) {
        const __m256i values = _mm256_set1_epi32(four_bytes(vectors + (vector * groups + group) * 4));
        // Two products of at most 127 * 127 each fit 16 bits: with vectors of 8 bits they would not.
        const __m256i pairs = _mm256_madd_epi16(_mm256_maddubs_epi16(values, weights), ones);
        totals[vector] = _mm256_add_epi32(totals[vector], pairs);
      }
    }
    for (int vector = 0; vector < count; ++vector) {
      void* place = sums + vector * kPanel + half;
      _mm256_storeu_si256(static_cast<__m256i*>(place), totals[vector]);
    }
  }
}

#endif

#define ASR_FOR_EACH_COUNT(kernel) {kernel<1>, kernel<2>, kernel<3>, kernel<4>, kernel<5>, kernel<6>, kernel<7>, kernel<8>}

const FloatKernels& float_kernels() {
  static const FloatKernels kernels = [] {
#if ASR_X86
    if (__builtin_cpu_supports("avx512f")) return FloatKernels ASR_FOR_EACH_COUNT(float_avx512);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
      return FloatKernels ASR_FOR_EACH_COUNT(float_avx2);
#endif
    return FloatKernels ASR_FOR_EACH_COUNT(float_plain);
  }();
  return kernels;
}

const ByteKernels& byte_kernels() {
  static const ByteKernels kernels = [] {
#if ASR_X86
    if (__builtin_cpu_supports("avx512vnni")) return ByteKernels ASR_FOR_EACH_COUNT(byte_avx512);
    if (__builtin_cpu_supports("avx2")) return ByteKernels ASR_FOR_EACH_COUNT(byte_avx2);
#endif
    return ByteKernels ASR_FOR_EACH_COUNT(byte_plain);
  }();
  return kernels;
}

#undef ASR_FOR_EACH_COUNT

// A vector in 7 bits: value = (byte - zero) * scale.
struct Rounding {
  float scale;
  std::int32_t zero;
};

Rounding round_vector(const float* vector, std::size_t inputs, std::uint8_t* bytes) {
  float low = 0.0f, high = 0.0f;  // zero is among the steps
  for (std::size_t input = 0; input < inputs; ++input) {
    low = std::min(low, vector[input]);
    high = std::max(high, vector[input]);
  }
  const float scale = std::max((high - low) / kSteps, std::numeric_limits<float>::min());
  const float zero = std::nearbyint(-low / scale), inverse = 1.0f / scale;
  for (std::size_t input = 0; input < inputs; ++input) {
    const float step = std::nearbyint(vector[input] * inverse) + zero;
    bytes[input] = static_cast<std::uint8_t>(std::min(std::max(step, 0.0f), kSteps));
  }
  return {scale, static_cast<std::int32_t>(zero)};
}

// e to the x with an error of 1e-7 of it, for x of at most 0 (Cephes' polynomial); written so that loops of it are
// turned into vector instructions.
inline float exp_of_negative(float x) {
  x = std::max(x, -87.0f);
  const float halves = x * 1.44269504f + 12582912.0f;  // rounds to whole numbers
  const float power = halves - 12582912.0f;
  const float rest = (x - power * 0.693359375f) + power * 2.12194440e-4f;
  float sum = 1.9875691500e-4f;
  sum = sum * rest + 1.3981999507e-3f;
  sum = sum * rest + 8.3334519073e-3f;
  sum = sum * rest + 4.1665795894e-2f;
  sum = sum * rest + 1.6666665459e-1f;
  sum = sum * rest + 5.0000001201e-1f;
  sum = sum * rest * rest + rest + 1.0f;
  const std::int32_t bits = (static_cast<std::int32_t>(power) + 127) << 23;
  float factor;
  std::memcpy(&factor, &bits, sizeof factor);
  return sum * factor;
}

// 1 / (1 + exp(-x)), without overflow.
inline float sigmoid(float x) {
  const float small = exp_of_negative(-std::fabs(x));
  return (x < 0.0f ? small : 1.0f) / (1.0f + small);
}

inline float tanh_of(float x) {
  const float small = exp_of_negative(-2.0f * std::fabs(x));
  return std::copysign((1.0f - small) / (1.0f + small), x);
}

}  // namespace

FloatMatrix::FloatMatrix(const float* weights, std::size_t outputs, std::size_t inputs)
    : outputs_(outputs), inputs_(inputs), panels_(panels_of(outputs) * inputs * kPanel) {
  for (std::size_t output = 0; output < outputs; ++output) {
    float* panel = panels_.data() + output / kPanel * inputs * kPanel + output % kPanel;
    for (std::size_t input = 0; input < inputs; ++input) panel[input * kPanel] = weights[output * inputs + input];
  }
}

void FloatMatrix::multiply(const float* vectors, std::size_t count, float* products) const {
  const FloatKernels& kernels = float_kernels();
  float sums[kMostVectors * kPanel];
  for (std::size_t first = 0; first < outputs_; first += kPanel) {  // a panel stays in the cache for all vectors
    const float* panel = panels_.data() + first * inputs_;
    const std::size_t width = std::min(kPanel, outputs_ - first);
    for (std::size_t vector = 0; vector < count; vector += kMostVectors) {
      const std::size_t some = std::min(kMostVectors, count - vector);
      kernels[some - 1](panel, inputs_, vectors + vector * inputs_, sums);
      for (std::size_t row = 0; row < some; ++row)
        std::copy(sums + row * kPanel, sums + row * kPanel + width, products + (vector + row) * outputs_ + first);
    }
  }
}

ByteMatrix::ByteMatrix(std::size_t outputs, std::size_t inputs)
    : outputs_(outputs),
      inputs_(inputs),
      groups_((inputs + 3) / 4),
      panels_(panels_of(outputs) * groups_ * kPanel * 4),
      scales_(panels_of(outputs) * kPanel),
      sums_(panels_of(outputs) * kPanel) {}

inline void ByteMatrix::put(std::size_t output, std::size_t input, std::int8_t step) {
  panels_[((output / kPanel * groups_ + input / 4) * kPanel + output % kPanel) * 4 + input % 4] = step;
  sums_[output] += step;
}

ByteMatrix::ByteMatrix(const float* weights, std::size_t outputs, std::size_t inputs) : ByteMatrix(outputs, inputs) {
  for (std::size_t output = 0; output < outputs; ++output) {
    const float* row = weights + output * inputs;
    float largest = 0.0f;
    for (std::size_t input = 0; input < inputs; ++input) largest = std::max(largest, std::fabs(row[input]));
    scales_[output] = std::max(largest, 1e-12f) / kSteps;
    for (std::size_t input = 0; input < inputs; ++input) {
      const float step = std::min(std::max(std::nearbyint(row[input] / scales_[output]), -kSteps), kSteps);
      put(output, input, static_cast<std::int8_t>(step));
    }
  }
}

ByteMatrix::ByteMatrix(const std::int8_t* steps, const float* scales, std::size_t outputs, std::size_t inputs)
    : ByteMatrix(outputs, inputs) {
  std::copy(scales, scales + outputs, scales_.begin());
  for (std::size_t output = 0; output < outputs; ++output)
    for (std::size_t input = 0; input < inputs; ++input) {
      const std::int8_t step = steps[output * inputs + input];
      // -128 times 127, twice, would not fit the 16 bits of AVX2's sums.
      put(output, input, std::max(step, static_cast<std::int8_t>(-127)));
    }
}

void ByteMatrix::multiply(const float* vectors, std::size_t count, float* products) const {
  const ByteKernels& kernels = byte_kernels();
  std::vector<std::uint8_t> bytes(count * groups_ * 4);
  std::vector<Rounding> roundings(count);
  for (std::size_t vector = 0; vector < count; ++vector)
    roundings[vector] = round_vector(vectors + vector * inputs_, inputs_, bytes.data() + vector * groups_ * 4);
  std::int32_t sums[kMostVectors * kPanel];
  for (std::size_t first = 0; first < outputs_; first += kPanel) {
    const std::int8_t* panel = panels_.data() + first * groups_ * 4;
    const std::size_t width = std::min(kPanel, outputs_ - first);
    for (std::size_t vector = 0; vector < count; vector += kMostVectors) {
      const std::size_t some = std::min(kMostVectors, count - vector);
      kernels[some - 1](panel, groups_, bytes.data() + vector * groups_ * 4, sums);
      for (std::size_t row = 0; row < some; ++row) {
        const Rounding& rounding = roundings[vector + row];
        float* product = products + (vector + row) * outputs_ + first;
        for (std::size_t output = 0; output < width; ++output) {
          const std::int32_t steps = sums[row * kPanel + output] - rounding.zero * sums_[first + output];
          product[output] = static_cast<float>(steps) * (scales_[first + output] * rounding.scale);
        }
      }
    }
  }
}

ASR_CLONES
void log_sums(const float* values, std::size_t rows, std::size_t columns, double* sums) {
  for (std::size_t row = 0; row < rows; ++row) {
    const float* value = values + row * columns;
    float most[kPanel];  // of every sixteenth, which a register holds
    std::fill(most, most + kPanel, value[0]);
    std::size_t column = 0;
    for (; column + kPanel <= columns; column += kPanel)
      for (std::size_t lane = 0; lane < kPanel; ++lane) most[lane] = std::max(most[lane], value[column + lane]);
    for (; column < columns; ++column) most[0] = std::max(most[0], value[column]);
    const float largest = *std::max_element(most, most + kPanel);
    double total = 0.0;
    for (std::size_t first = 0; first < columns; first += 64 * kPanel) {  // single precision adds a few numbers only
      const std::size_t end = std::min(columns, first + 64 * kPanel);
      float some[kPanel] = {};
      for (column = first; column + kPanel <= end; column += kPanel)
        for (std::size_t lane = 0; lane < kPanel; ++lane) some[lane] += exp_of_negative(value[column + lane] - largest);
      for (; column < end; ++column) some[0] += exp_of_negative(value[column] - largest);
      for (const float part : some) total += part;
    }
    sums[row] = std::log(total) + largest;
  }
}

ASR_CLONES
void lstm_step(float* gates, std::size_t rows, std::size_t size, float* cells, float* outputs) {
  for (std::size_t row = 0; row < rows; ++row) {
    const float* gate = gates + row * 4 * size;
    float* cell = cells + row * size;
    float* output = outputs + row * size;
    for (std::size_t unit = 0; unit < size; ++unit) {
      const float entry = sigmoid(gate[unit]), forget = sigmoid(gate[size + unit]);
      const float candidate = tanh_of(gate[2 * size + unit]), exit = sigmoid(gate[3 * size + unit]);
      cell[unit] = forget * cell[unit] + entry * candidate;
      output[unit] = exit * tanh_of(cell[unit]);
    }
  }
}

}  // namespace asr
