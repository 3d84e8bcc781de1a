"""Optimizer updates in place. See optimizers.h for the formulas.

keys None stands for a dense gradient. The callers (gradwire.optimizers) have checked that params, the state arrays and the
gradient's dimension have one length.
"""

from libc.stdint cimport int64_t, uint32_t

cdef extern from "optimizers.h" nogil:
    ctypedef struct gw_adam_rates:
        float m_keep
        float m_take
        float v_keep
        float v_take
        float lr
        float v_scale
        float eps_inside
        float eps_outside
    void gw_sgd(float *, const uint32_t *, const float *, int64_t, float)
    void gw_momentum(float *, float *, const uint32_t *, const float *, int64_t, float, float)
    void gw_adagrad(float *, float *, const uint32_t *, const float *, int64_t, float, float)
    void gw_adam(float *, float *, float *, const uint32_t *, const float *, int64_t, gw_adam_rates)


def sgd(float[::1] params, const uint32_t[::1] keys, const float[::1] gradient, float lr):
    """p -= lr · g."""
    cdef int64_t n = gradient.shape[0]
    cdef const uint32_t *k = NULL
    if keys is not None and n:
        k = &keys[0]
    if n:
        with nogil:
            gw_sgd(&params[0], k, &gradient[0], n, lr)


def momentum(float[::1] params, float[::1] u, const uint32_t[::1] keys, const float[::1] gradient, float lr, float beta):
    """u = beta · u + g; p -= lr · u."""
    cdef int64_t n = gradient.shape[0]
    cdef const uint32_t *k = NULL
    if keys is not None and n:
        k = &keys[0]
    if n:
        with nogil:
            gw_momentum(&params[0], &u[0], k, &gradient[0], n, lr, beta)


def adagrad(float[::1] params, float[::1] h, const uint32_t[::1] keys, const float[::1] gradient, float lr, float eps):
    """h += g²; p -= lr · g / (√h + eps)."""
    cdef int64_t n = gradient.shape[0]
    cdef const uint32_t *k = NULL
    if keys is not None and n:
        k = &keys[0]
    if n:
        with nogil:
            gw_adagrad(&params[0], &h[0], k, &gradient[0], n, lr, eps)


def adam(float[::1] params, float[::1] m, float[::1] v, const uint32_t[::1] keys, const float[::1] gradient, double lr,
         double beta1, double beta2, double v_scale, double eps_inside, double eps_outside):
    """m = β₁m + (1 - β₁)g; v = β₂v + (1 - β₂)g²; p -= lr · m / (√(v · v_scale + eps_inside) + eps_outside)."""
    cdef int64_t n = gradient.shape[0]
    cdef const uint32_t *k = NULL
    if keys is not None and n:
        k = &keys[0]
    cdef gw_adam_rates rates
    rates.m_keep, rates.m_take = <float> beta1, <float> (1 - beta1)
    rates.v_keep, rates.v_take = <float> beta2, <float> (1 - beta2)
    rates.lr, rates.v_scale = <float> lr, <float> v_scale
    rates.eps_inside, rates.eps_outside = <float> eps_inside, <float> eps_outside
    if n:
        with nogil:
            gw_adam(&params[0], &m[0], &v[0], k, &gradient[0], n, rates)
