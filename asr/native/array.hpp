// Read-only arrays that something else owns, such as a NumPy array or a mapped file.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>

namespace asr {

template <typename T>
class Array {
 public:
  Array() = default;
  // `owner` is kept for as long as the array is: it keeps `data` valid.
  Array(const T* data, std::size_t size, std::shared_ptr<const void> owner)
      : data_(data), size_(size), owner_(std::move(owner)) {}

  const T& operator[](std::size_t index) const { return data_[index]; }
  const T* data() const { return data_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }
  std::size_t size() const { return size_; }

 private:
  const T* data_ = nullptr;
  std::size_t size_ = 0;
  std::shared_ptr<const void> owner_;
};

}  // namespace asr
