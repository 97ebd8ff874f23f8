// Which processor this is.
#pragma once

namespace asr {

// The kind of processor as far as it changes how ONNX Runtime lays out weights, or "" where this cannot tell.
inline const char* processor() {
#if defined(__GNUC__) && defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return "x86-64 avx512f";
  if (__builtin_cpu_supports("avx2")) return "x86-64 avx2";
  return __builtin_cpu_supports("avx") ? "x86-64 avx" : "x86-64";
#elif defined(__aarch64__) || defined(_M_ARM64)
  return "arm64";
#else
  return "";
#endif
}

}  // namespace asr
