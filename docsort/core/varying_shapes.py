"""Documents come in ever new lengths: what torch's libraries may make of each new shape."""

import os

import torch

VARIABLE = "ONEDNN_PRIMITIVE_CACHE_CAPACITY"


def expect_varying_shapes() -> None:
    """Keep torch's libraries from preparing at length for shapes that hardly come again.

    oneDNN, on a CPU, keeps code for 16 shapes, unless the environment says how many. It would keep
    1,024: hundreds of megabytes in scoring, gigabytes in training (docs/LOG.md, 2026-11-24 and
    2026-11-26). A pass needs three, a training step ten. It reads this when it is first asked for
    a product, however long after torch was imported.

    cuDNN, on a GPU, computes no attention. It is torch's first choice on the newest ones in half
    precision, and plans 0.1 s for each new shape; the kernel that takes its place needs no plan
    (docs/LOG.md, 2026-11-27: 5.4 times as fast a training).
    """
    os.environ.setdefault(VARIABLE, "16")
    torch.backends.cuda.enable_cudnn_sdp(False)
