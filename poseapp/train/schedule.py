"""What changes over the steps of a training: input size, learning rate, and the stages that get a loss."""

from __future__ import annotations

import math

from poseapp.train.recipes import Phase, Recipe, Supervision


def phases(recipe: Recipe, steps: int) -> list[tuple[Phase, int, int]]:
    """Each phase with its first step and the step after its last."""
    out, share, begin = [], 0.0, 0
    for phase in recipe.phases:
        share += phase.share
        end = steps if phase is recipe.phases[-1] else round(share * steps)
        out.append((phase, begin, end))
        begin = end
    return out


def learning_rate(recipe: Recipe, step: int, steps: int) -> float:
    """Linear warm-up, then half a cosine down to zero, a drop at each of the recipe's shares, or no change.

    The warm-up takes at most a tenth of the run: a few hundred pictures make few steps.
    """
    warmup = min(recipe.warmup_steps, steps // 10)
    if step < warmup:
        return recipe.lr * (step + 1) / warmup
    if recipe.schedule == "constant":
        return recipe.lr
    if recipe.schedule == "step":
        return recipe.lr * recipe.lr_drop_factor ** sum(step >= round(share * steps) for share in recipe.lr_drops)
    done = (step - warmup) / max(1, steps - warmup)
    return recipe.lr * 0.5 * (1 + math.cos(math.pi * min(1.0, done)))


def supervised(strategy: Supervision, stages: int, done: float) -> range:
    """Which of *stages* get a loss when *done* (0..1) of the training is behind: the four strategies of Wei et al."""
    if strategy == "final":
        return range(stages - 1, stages)
    if strategy == "stagewise-joint":
        done *= 2
    if strategy == "everywhere" or done >= 1:
        return range(stages)
    now = min(stages - 1, int(done * stages))
    return range(now, now + 1)
