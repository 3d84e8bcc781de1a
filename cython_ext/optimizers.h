/* Optimizer updates in place, on float32 parameters and state.
 *
 * keys NULL: dense, element i of gradient belongs to coordinate i. Else sparse: it belongs to coordinate keys[i], below the length
 * of params and of every state array, and no other coordinate is read or written. params, state and gradient must not overlap.
 * Every coordinate is updated by itself in float32 (gradient g, parameter p), sqrt is correctly rounded: equal results everywhere.
 */
#ifndef GW_OPTIMIZERS_H
#define GW_OPTIMIZERS_H
#include <math.h>
#include <stdint.h>

#if defined(__GNUC__)
#define GW_PREFETCH_WRITE(address) __builtin_prefetch((address), 1)
#else
#define GW_PREFETCH_WRITE(address) ((void)(address))
#endif
enum { GW_UPDATE_AHEAD = 16 }; /* keys between asking for a coordinate and updating it */

/* p -= lr · g */
static void gw_sgd(float *restrict params, const uint32_t *restrict keys, const float *restrict gradient, int64_t n, float lr)
{
    if (!keys) {
        for (int64_t i = 0; i < n; i++) params[i] -= lr * gradient[i];
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        if (i + GW_UPDATE_AHEAD < n) GW_PREFETCH_WRITE(params + keys[i + GW_UPDATE_AHEAD]);
        params[keys[i]] -= lr * gradient[i];
    }
}

static inline void gw_momentum_one(float *p, float *u, float g, float lr, float beta)
{
    *u = beta * *u + g;
    *p -= lr * *u;
}

/* u = beta · u + g; p -= lr · u */
static void gw_momentum(float *restrict params, float *restrict u, const uint32_t *restrict keys, const float *restrict gradient,
                        int64_t n, float lr, float beta)
{
    if (!keys) {
        for (int64_t i = 0; i < n; i++) gw_momentum_one(params + i, u + i, gradient[i], lr, beta);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        if (i + GW_UPDATE_AHEAD < n) {
            GW_PREFETCH_WRITE(params + keys[i + GW_UPDATE_AHEAD]);
            GW_PREFETCH_WRITE(u + keys[i + GW_UPDATE_AHEAD]);
        }
        gw_momentum_one(params + keys[i], u + keys[i], gradient[i], lr, beta);
    }
}

static inline void gw_adagrad_one(float *p, float *h, float g, float lr, float eps)
{
    *h += g * g;
    *p -= lr * g / (sqrtf(*h) + eps);
}

/* h += g²; p -= lr · g / (√h + eps) */
static void gw_adagrad(float *restrict params, float *restrict h, const uint32_t *restrict keys, const float *restrict gradient,
                       int64_t n, float lr, float eps)
{
    if (!keys) {
        for (int64_t i = 0; i < n; i++) gw_adagrad_one(params + i, h + i, gradient[i], lr, eps);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        if (i + GW_UPDATE_AHEAD < n) {
            GW_PREFETCH_WRITE(params + keys[i + GW_UPDATE_AHEAD]);
            GW_PREFETCH_WRITE(h + keys[i + GW_UPDATE_AHEAD]);
        }
        gw_adagrad_one(params + keys[i], h + keys[i], gradient[i], lr, eps);
    }
}

typedef struct {
    float m_keep, m_take; /* β₁, 1 - β₁ */
    float v_keep, v_take; /* β₂, 1 - β₂ */
    float lr;             /* rate / (1 - β₁ᵗ) where corrected */
    float v_scale;        /* 1 / (1 - β₂ᵗ) where corrected, else 1 */
    float eps_inside;     /* added to v under the root */
    float eps_outside;    /* added to the root */
} gw_adam_rates;

static inline void gw_adam_one(float *p, float *m, float *v, float g, const gw_adam_rates *r)
{
    *m = r->m_keep * *m + r->m_take * g;
    *v = r->v_keep * *v + r->v_take * (g * g);
    *p -= r->lr * *m / (sqrtf(*v * r->v_scale + r->eps_inside) + r->eps_outside);
}

/* m = β₁m + (1 - β₁)g; v = β₂v + (1 - β₂)g²; p -= lr · m / (√(v · v_scale + eps_inside) + eps_outside) */
static void gw_adam(float *restrict params, float *restrict m, float *restrict v, const uint32_t *restrict keys,
                    const float *restrict gradient, int64_t n, gw_adam_rates r)
{
    if (!keys) {
        for (int64_t i = 0; i < n; i++) gw_adam_one(params + i, m + i, v + i, gradient[i], &r);
        return;
    }
    for (int64_t i = 0; i < n; i++) {
        if (i + GW_UPDATE_AHEAD < n) {
            uint32_t later = keys[i + GW_UPDATE_AHEAD];
            GW_PREFETCH_WRITE(params + later);
            GW_PREFETCH_WRITE(m + later);
            GW_PREFETCH_WRITE(v + later);
        }
        gw_adam_one(params + keys[i], m + keys[i], v + keys[i], gradient[i], &r);
    }
}
#endif
