"""Gradients cut into ranges of keys."""

import itertools

from .. import gradient as _gradient
from .exchange import Part


def filled(edges):
    """Numbers of the ranges edges[i] … edges[i + 1] that are not empty."""
    return [i for i, (first, last) in enumerate(itertools.pairwise(edges)) if first < last]


def cut(gradient, edges, step):
    """[Part] of the filled ranges of edges, which rise from 0 to gradient.dim; keys count from the range's first."""
    return [Part(part, first, step.part(i)) for i, (part, first) in zip(filled(edges), _gradient.cut(gradient, edges))]
