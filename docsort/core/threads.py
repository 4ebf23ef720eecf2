"""What decides how many threads a process computes with."""

# What torch, BLAS, tokenizers and scikit-learn's joblib read when a process starts. Without its
# own, tokenizers starts a thread a core, whatever the others say.
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "RAYON_NUM_THREADS",
    "LOKY_MAX_CPU_COUNT",
)
