"""The losses of prima_jax/methods/contrastive.py as their papers print them: float64, loops, no stabilisation."""

import math

import numpy as np

from tests.losses.references import sim

__all__ = ["image_text", "query_text", "sim", "token", "view"]


def query_text(queries, texts, tau, smoothing):
    n, total = len(texts), 0.0
    s = [[max(sim(z, texts[j], tau) for z in queries[i]) for j in range(n)] for i in range(n)]
    for i in range(n):
        for j in range(n):
            target = (1 - smoothing) * (i == j) + smoothing / n
            total -= target * math.log(math.exp(s[i][j]) / sum(math.exp(s[i][k]) for k in range(n)))
            total -= target * math.log(math.exp(s[j][i]) / sum(math.exp(s[k][i]) for k in range(n)))
    return total / (2 * n)


def view(images, units, present, tau):
    there = [i for i in range(len(images)) if present[i]]
    paired = [i for i in there if any(units[j] == units[i] for j in there if j != i)]
    total = 0.0
    for i in paired:
        others = [j for j in paired if j != i]
        positives = [j for j in others if units[j] == units[i]]
        below = sum(math.exp(sim(images[i], images[j], tau)) for j in others)
        for j in positives:
            total -= math.log(math.exp(sim(images[i], images[j], tau)) / below) / len(positives)
    return total / len(paired) if paired else 0.0


def image_text(images, texts, units, present, tau):
    there = [i for i in range(len(images)) if present[i]]
    total = 0.0
    for a, b in ((images, texts), (texts, images)):
        for i in there:
            positives = [j for j in there if units[j] == units[i]]
            below = sum(math.exp(sim(a[i], b[j], tau)) for j in there)
            for j in positives:
                total -= math.log(math.exp(sim(a[i], b[j], tau)) / below) / len(positives)
    return total / (2 * len(there))


def token(patches, tokens, mask, tau):
    total, count = 0.0, 0
    for report in range(len(tokens)):
        words = [w for w in range(tokens.shape[1]) if mask[report, w]]
        attended = {}
        for w in words:
            weights = [math.exp(float(np.dot(tokens[report, w], p)) / math.sqrt(len(p))) for p in patches[report]]
            attended[w] = sum(a * p for a, p in zip(weights, patches[report], strict=True)) / sum(weights)
        for w in words:
            own = math.exp(sim(tokens[report, w], attended[w], tau))
            total -= math.log(own / sum(math.exp(sim(tokens[report, w], attended[v], tau)) for v in words)) / 2
            total -= math.log(own / sum(math.exp(sim(tokens[report, v], attended[w], tau)) for v in words)) / 2
        count += len(words)
    return total / count if count else 0.0
