"""Gradients cut into ranges of keys."""

import itertools
from dataclasses import replace

import numpy as np

from ..gradient import Gradient
from .exchange import Part


def part_step(step, number):
    """The Step of part `number`: no two parts share random numbers."""
    return replace(step, seed=step.shared(f"part {number}"))


def filled(edges):
    """Numbers of the ranges edges[i] … edges[i + 1] that are not empty."""
    return [i for i, (first, last) in enumerate(itertools.pairwise(edges)) if first < last]


def cut(gradient, edges, step):
    """[Part] of the filled ranges of edges, which rise from 0 to gradient.dim; keys count from the range's first."""
    if not gradient.is_dense:
        inner = [edge for edge in edges if edge < 1 << 32]
        places = np.searchsorted(gradient.keys, np.array(inner, np.uint32)).tolist() + [gradient.nnz] * (len(edges) - len(inner))
    parts = []
    for i in filled(edges):
        first, last = edges[i], edges[i + 1]
        if gradient.is_dense:
            part = Gradient.trusted(gradient.values[first:last], last - first)
        else:
            at = slice(places[i], places[i + 1])
            part = Gradient.trusted(gradient.values[at], last - first, gradient.keys[at] - np.uint32(first))
        parts.append(Part(part, first, part_step(step, i)))
    return parts
