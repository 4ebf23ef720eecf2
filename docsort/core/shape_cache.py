"""How much compiled code oneDNN keeps, in scoring and in training. Computes nothing."""

import os

# oneDNN's own cache, and that of ideep, by which torch asks it
VARIABLES = ("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "LRU_CACHE_CAPACITY")


def limit_shape_cache() -> None:
    """Have both caches keep code for 16 shapes, unless the environment says how many.

    They would keep 1,024, and lengths are ever new: hundreds of megabytes in scoring, gigabytes in
    training (docs/LOG.md, 2026-11-24, 2026-11-26 and 2026-11-27). A pass needs three, a training
    step ten. Both are read when oneDNN is first asked for a product, however long after torch was
    imported.
    """
    for variable in VARIABLES:
        os.environ.setdefault(variable, "16")
