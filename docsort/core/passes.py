"""Which windows go through the encoder together, so that little of the work is padding.

Knows lengths only: no tensors, no model.
"""

from collections.abc import Sequence


def cut_passes(lengths: Sequence[int], pass_cost: int, max_tokens: int) -> list[list[int]]:
    """Group windows into encoder passes at the least total cost.

    A pass over n windows computes n times its longest window, and costs ``pass_cost`` tokens more
    for being a pass at all (kernel launches, Python). Sorted by length, the cheapest grouping is
    found exactly by dynamic programming. So one long document never pads short ones unless that
    is cheaper than a pass of their own.

    Args:
        lengths: tokens of each window.
        pass_cost: fixed cost of a pass, in tokens.
        max_tokens: padded tokens in a pass at most (a single longer window still gets a pass).

    Returns:
        Lists of indices into ``lengths``; each index stands in exactly one.
    """
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], i))
    # best[k]: least cost of the k shortest windows; cut[k]: where the pass that ends at k starts.
    best, cut = [0], [0]
    for end in range(1, len(order) + 1):
        longest = lengths[order[end - 1]]
        first = max(0, end - max(1, max_tokens // max(1, longest)))
        cost, start = min(
            (best[start] + (end - start) * longest + pass_cost, start)
            for start in range(first, end)
        )
        best.append(cost)
        cut.append(start)
    passes, end = [], len(order)
    while end:
        passes.append(order[cut[end] : end])
        end = cut[end]
    return passes[::-1]
