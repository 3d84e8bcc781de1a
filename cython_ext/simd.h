/* Kernels at several levels of an instruction set, chosen at run time.
 *
 *   scalar    what the compiler was told to build for (on x86-64: SSE2); the only level elsewhere
 *   avx2      x86-64 with AVX2, BMI1, BMI2, LZCNT, POPCNT, F16C (Haswell, Zen 1 and newer)
 *   avx512    the same with AVX-512 F, BW, CD, DQ, VL, VBMI, VBMI2, VPOPCNTDQ, BITALG (Ice Lake, Zen 4 and newer)
 *
 * All levels of a kernel write identical bytes. A kernel's body stands once, in its own header, which levels.h includes once per level:
 *
 *   NAME_kernels.h   functions `static … GW_AT(gw_f)(…)`, plain C that the compiler vectorises for each level, and where that is
 *                    not enough intrinsics inside `#if GW_LEVEL >= GW_AVX2` or `#if GW_LEVEL == GW_AVX512`
 *   NAME.h           the specification; then
 *                        #define GW_KERNELS "NAME_kernels.h"
 *                        #include "levels.h"
 *                        GW_DISPATCH(int64_t, gw_f, (const float *v, int64_t n), (v, n))      defines gw_f(v, n)
 *   NAME.pyx         calls gw_import_simd() once, when it is imported
 *
 * The level is one integer, owned by the module gradwire._ext.simd and read at each call of a kernel: see simd.pyx.
 * Needs GCC or Clang on x86-64 for more than one level; with GW_NO_SIMD defined there is one.
 */
#ifndef GW_SIMD_H
#define GW_SIMD_H
#include <Python.h>
#include <stdint.h>
#include <string.h>

#define GW_SCALAR 0
#define GW_AVX2 1
#define GW_AVX512 2

#if defined(__x86_64__) && defined(__GNUC__) && !defined(GW_NO_SIMD)
#define GW_X86 1
#include <immintrin.h>
#else
#define GW_X86 0
#endif

#if defined(__GNUC__)
#define GW_INLINE static inline __attribute__((always_inline, unused))
#define GW_UNUSED __attribute__((unused))
#else
#define GW_INLINE static inline
#define GW_UNUSED
#endif

static const int gw_lowest = GW_SCALAR;
static const int *gw_level GW_UNUSED = &gw_lowest;

/* Makes gw_level the package's. -1 with a Python exception if there is none. */
static GW_UNUSED int gw_import_simd(void)
{
    PyObject *module = PyImport_ImportModule("gradwire._ext.simd");
    PyObject *capsule = module ? PyObject_GetAttrString(module, "LEVEL") : NULL;
    const int *level = capsule ? (const int *)PyCapsule_GetPointer(capsule, "gradwire._ext.simd.LEVEL") : NULL;
    Py_XDECREF(capsule);
    Py_XDECREF(module);
    if (!level) return -1;
    gw_level = level;
    return 0;
}

/* The highest level that this machine has. */
static GW_UNUSED int gw_highest_level(void)
{
#if GW_X86
    __builtin_cpu_init();
    if (!(__builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2") &&
          __builtin_cpu_supports("popcnt") && __builtin_cpu_supports("fma")))
        return GW_SCALAR;       /* FMA stands for LZCNT and F16C, which older compilers cannot ask for: they came before or with it */
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vbmi") &&
        __builtin_cpu_supports("avx512vbmi2") && __builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512bitalg"))
        return GW_AVX512;
    return GW_AVX2;
#else
    return GW_SCALAR;
#endif
}

#if GW_X86
#define GW_DISPATCH(result, name, parameters, arguments) \
    static inline result name parameters                \
    {                                                   \
        switch (*gw_level) {                            \
        case GW_AVX512: return name##_avx512 arguments; \
        case GW_AVX2: return name##_avx2 arguments;     \
        default: return name##_scalar arguments;        \
        }                                               \
    }
#else
#define GW_DISPATCH(result, name, parameters, arguments) \
    static inline result name parameters { return name##_scalar arguments; }
#endif
#endif
