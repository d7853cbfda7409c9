"""Equations 1-6 written as the paper prints them: float64, loops, no vectorisation, no stabilisation."""

import math

import numpy as np

__all__ = ["global_semantic", "image_consistency", "local_semantic", "sim", "soft_semantic", "soft_target_matrix"]


def sim(a, b, tau):
    return float(np.dot(a, b) / (math.sqrt(np.dot(a, a)) * math.sqrt(np.dot(b, b))) / tau)


def image_consistency(p, tau, anchors="printed"):
    n = len(p)

    def one_way(a, b):
        total = 0.0
        for i in range(n):
            below = 0.0
            for k in range(n):
                below += math.exp(sim(p[i, a], p[k, b], tau))
                if k != i:
                    below += math.exp(sim(p[i, a], p[k, a], tau))
            total += math.log(math.exp(sim(p[i, a], p[i, b], tau)) / below)
        return -total / n

    return one_way(0, 1) if anchors == "printed" else (one_way(0, 1) + one_way(1, 0)) / 2


def global_semantic(p, q, tau):
    n, total = len(p), 0.0
    for i in range(n):
        for j in range(2):
            above = math.exp(sim(p[i, j], q[i], tau))
            total += math.log(above / sum(math.exp(sim(p[i, j], q[k], tau)) for k in range(n)))
            total += math.log(above / sum(math.exp(sim(q[i], p[k, j], tau)) for k in range(n)))
    return -total / (4 * n)


def local_semantic(p, q, mask, tau, negatives="printed", pooling="attention"):
    """p [N, 2, K, D], q [N, L, D], mask [N, L]. Each patient's own word count is its L."""
    n, total = len(p), 0.0
    for i in range(n):
        words = [l for l in range(q.shape[1]) if mask[i, l]]
        patient = 0.0
        for j in range(2):
            hats = {}
            for l in words:
                scores = [float(np.dot(q[i, l], patch)) / math.sqrt(q.shape[2]) for patch in p[i, j]]
                weights = [math.exp(s) for s in scores]
                if pooling == "mean":
                    weights = [1.0] * len(scores)
                hats[l] = sum(w * patch for w, patch in zip(weights, p[i, j], strict=True)) / sum(weights)
            for l in words:
                above = math.exp(sim(q[i, l], hats[l], tau))
                first = above / sum(math.exp(sim(q[i, l], hats[m], tau)) for m in words)
                if negatives == "printed":
                    second = above / sum(math.exp(sim(hats[m], q[i, l], tau)) for m in words)
                else:
                    second = above / sum(math.exp(sim(hats[l], q[i, m], tau)) for m in words)
                patient += math.log(first) + math.log(second)
        if words:
            total += patient / len(words)
    return -total / (4 * n)


def soft_target_matrix(y, tau_label):
    n = len(y)
    s = np.zeros((n, n))
    for i in range(n):
        row = [math.exp(float(np.dot(y[i], y[j])) / tau_label) for j in range(n)]
        s[i] = np.array(row) / sum(row)
    return s


def soft_semantic(p, q, y, tau, tau_label, normalizer="printed"):
    n, total, s = len(p), 0.0, soft_target_matrix(y, tau_label)
    for i in range(n):
        for j in range(n):
            for k in range(2):
                above = math.exp(sim(p[i, k], q[j], tau))
                to_text = above / sum(math.exp(sim(p[i, k], q[l], tau)) for l in range(n))
                to_image = above / sum(math.exp(sim(q[j], p[l, k], tau)) for l in range(n))
                total += s[i, j] * (math.log(to_text) + math.log(to_image))
    return -total / (4 * n * n if normalizer == "printed" else 4 * n)
