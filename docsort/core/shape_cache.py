"""How much compiled code oneDNN keeps, in scoring and in training. Computes nothing."""

import os

VARIABLE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"


def limit_shape_cache() -> None:
    """Have oneDNN keep code for 16 shapes, unless the environment says how many.

    It would keep 1,024, and lengths are ever new: hundreds of megabytes in scoring, gigabytes in
    training (docs/LOG.md, 2026-11-24 and 2026-11-26). A pass needs three, a training step ten.
    oneDNN reads it when it is first asked for a product, however long after torch was imported.
    """
    os.environ.setdefault(VARIABLE, "16")
