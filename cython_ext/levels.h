/* Includes the header GW_KERNELS once per level, with GW_LEVEL and GW_AT(name) = name_<level> defined; see simd.h. */
#include "simd.h"

#define GW_LEVEL GW_SCALAR
#define GW_AT(name) name##_scalar
#include GW_KERNELS
#undef GW_LEVEL
#undef GW_AT

#if GW_X86
#define GW_LEVEL GW_AVX2
#define GW_AT(name) name##_avx2
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,f16c"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,lzcnt,popcnt,f16c")
#endif
#include GW_KERNELS
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#undef GW_LEVEL
#undef GW_AT

#define GW_LEVEL GW_AVX512
#define GW_AT(name) name##_avx512
#ifdef __clang__
#pragma clang attribute push(__attribute__((target("avx2,bmi,bmi2,lzcnt,popcnt,f16c,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx512vpopcntdq,avx512bitalg"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2,bmi,bmi2,lzcnt,popcnt,f16c,avx512f,avx512bw,avx512cd,avx512dq,avx512vl,avx512vbmi,avx512vbmi2,avx512vpopcntdq,avx512bitalg")
#endif
#include GW_KERNELS
#ifdef __clang__
#pragma clang attribute pop
#else
#pragma GCC pop_options
#endif
#undef GW_LEVEL
#undef GW_AT
#endif

#undef GW_KERNELS
