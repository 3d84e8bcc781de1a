/* GW_CLONES before a function: the compiler builds it for three levels of x86-64 (baseline, AVX2, AVX-512) and the loader takes the one
 * that the machine has. The source is the same, so are the bytes: integers, and floats without contraction (-ffp-contract=off).
 * GW_INLINE marks what such a function is made of; a helper that were not inlined would stay at the baseline.
 *
 * Without GCC 12, x86-64 and glibc, or with GW_NO_CLONES defined, there is one level: what the compiler was told.
 */
#ifndef GW_CLONES_H
#define GW_CLONES_H
#include <stdlib.h>     /* says whether this is glibc */

#if defined(__x86_64__) && defined(__GLIBC__) && defined(__GNUC__) && !defined(__clang__) && __GNUC__ >= 12 && !defined(GW_NO_CLONES)
#define GW_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define GW_CLONES
#endif

#if defined(GW_INLINE)
#elif defined(__GNUC__)
#define GW_INLINE static inline __attribute__((always_inline))
#else
#define GW_INLINE static inline
#endif
#endif
