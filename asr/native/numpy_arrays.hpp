// NumPy arrays as arguments and results of the extension.
#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "array.hpp"

namespace asr {

namespace nb = nanobind;

template <typename T>
using Vector = nb::ndarray<const T, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
template <typename T>
using Matrix = nb::ndarray<const T, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using WritableMatrix = nb::ndarray<float, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

inline void require(bool holds, const char* message) {
  if (!holds) throw std::invalid_argument(message);
}

// The values of a NumPy array, which lives as long as the Array does.
template <typename T>
Array<T> shared(const Vector<T>& values) {
  auto owner = std::make_shared<Vector<T>>(values);
  const T* data = owner->data();
  const std::size_t size = owner->size();
  return Array<T>(data, size, std::move(owner));
}

template <typename T>
std::vector<T> copied(const Vector<T>& values) {
  return std::vector<T>(values.data(), values.data() + values.size());
}

// A new NumPy array that owns `values`.
template <typename T>
nb::ndarray<nb::numpy, T, nb::ndim<1>> to_numpy(std::vector<T> values) {
  auto* kept = new std::vector<T>(std::move(values));
  nb::capsule owner(kept, [](void* pointer) noexcept { delete static_cast<std::vector<T>*>(pointer); });
  return nb::ndarray<nb::numpy, T, nb::ndim<1>>(kept->data(), {kept->size()}, owner);
}


// Memory for a result (rows, columns), which a NumPy array takes over.
class NewMatrix {
 public:
  NewMatrix(std::size_t rows, std::size_t columns)
      : rows_(rows), columns_(columns), values_(new float[rows * columns]) {}

  float* data() { return values_.get(); }

  nb::ndarray<nb::numpy, float, nb::ndim<2>> to_numpy() {
    float* values = values_.release();
    nb::capsule owner(values, [](void* pointer) noexcept { delete[] static_cast<float*>(pointer); });
    return nb::ndarray<nb::numpy, float, nb::ndim<2>>(values, {rows_, columns_}, owner);
  }

 private:
  std::size_t rows_, columns_;
  std::unique_ptr<float[]> values_;
};

}  // namespace asr
