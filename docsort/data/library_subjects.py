"""Which subject each part of the installed libraries is about: the table behind `library_docs`.

A row is a subject and the public names that belong to it, each ``NAMESPACE.GLOB``, where the
namespace is a module or a class. An object that several rows reach belongs to the first of them, so
rows that pick a few names stand before the ones that would take them along with everything else.

Left out on purpose: general array and tensor functions (numpy's and torch's top level). They are
about everything at once, and beside them even a linear model loses 3 points on the others.
"""

SUBJECTS: tuple[tuple[str, str], ...] = (
    (
        "dates and times",
        """pandas.Timestamp pandas.Timestamp.* pandas.Timedelta pandas.Timedelta.* pandas.Period
        pandas.Period.* pandas.DatetimeIndex pandas.PeriodIndex pandas.Series.dt.*
        pandas.DataFrame.to_period pandas.DataFrame.to_timestamp pandas.to_datetime
        pandas.to_timedelta pandas.bdate_range pandas.date_range pandas.period_range
        pandas.timedelta_range pandas.infer_freq pandas.tseries.frequencies.*
        pandas.tseries.holiday.* pandas.tseries.offsets.* numpy.busday* numpy.datetime*
        numpy.is_busday""",
    ),
    ("text", "numpy.strings.* numpy.char.* pandas.Series.str.* sklearn.feature_extraction.text.*"),
    ("data frames", "pandas.* pandas.DataFrame.* pandas.api.typing.DataFrameGroupBy.*"),
    (
        "random numbers",
        """numpy.random.* numpy.random.Generator.* scipy.stats.qmc.* scipy.stats.sampling.*
        torch.random.* torch.rand*""",
    ),
    (
        "polynomials",
        """numpy.poly* numpy.polynomial.polynomial.* numpy.polynomial.chebyshev.*
        numpy.polynomial.hermite.* numpy.polynomial.hermite_e.* numpy.polynomial.laguerre.*
        numpy.polynomial.legendre.*""",
    ),
    ("Fourier transforms", "scipy.fft.* scipy.fftpack.* numpy.fft.* torch.fft.*"),
    (
        "linear algebra",
        """scipy.linalg.* scipy.linalg.interpolative.* numpy.linalg.* torch.linalg.*
        torch.cholesky* torch.lobpcg torch.lu* torch.qr torch.svd*""",
    ),
    (
        "sparse matrices",
        """scipy.sparse.* scipy.sparse.csgraph.* scipy.sparse.csr_array.* scipy.sparse.linalg.*
        sklearn.utils.sparsefuncs.* torch.sparse.* torch.sparse_*""",
    ),
    (
        "signal processing",
        "scipy.signal.* scipy.signal.windows.* torch.signal.windows.* torch.*_window torch.*stft",
    ),
    ("image processing", "scipy.ndimage.* sklearn.feature_extraction.image.*"),
    ("interpolation", "scipy.interpolate.* scipy.interpolate.BSpline.*"),
    ("optimization", "scipy.optimize.* scipy.optimize.elementwise.*"),
    (
        "geometry",
        """scipy.spatial.* scipy.spatial.KDTree.* scipy.spatial.distance.*
        scipy.spatial.transform.* scipy.spatial.transform.Rotation.*""",
    ),
    ("special functions", "scipy.special.* torch.special.*"),
    (
        "probability distributions",
        """scipy.stats.distributions.* torch.distributions.* torch.distributions.constraints.*
        torch.distributions.transforms.*""",
    ),
    ("statistics", "scipy.stats.* scipy.stats.contingency.* scipy.stats.mstats.*"),
    (
        "clustering",
        "sklearn.cluster.* sklearn.mixture.* scipy.cluster.hierarchy.* scipy.cluster.vq.*",
    ),
    (
        "model evaluation",
        "sklearn.metrics.* sklearn.model_selection.* sklearn.inspection.* sklearn.calibration.*",
    ),
    (
        "feature preparation",
        """sklearn.preprocessing.* sklearn.impute.* sklearn.feature_selection.* sklearn.compose.*
        sklearn.feature_extraction.* sklearn.decomposition.* sklearn.manifold.*
        sklearn.random_projection.* sklearn.cross_decomposition.*
        sklearn.kernel_approximation.*""",
    ),
    (
        "classification and regression",
        """sklearn.linear_model.* sklearn.svm.* sklearn.tree.* sklearn.ensemble.*
        sklearn.neighbors.* sklearn.naive_bayes.* sklearn.gaussian_process.*
        sklearn.gaussian_process.kernels.* sklearn.neural_network.*
        sklearn.discriminant_analysis.* sklearn.isotonic.* sklearn.dummy.* sklearn.kernel_ridge.*
        sklearn.multiclass.* sklearn.multioutput.* sklearn.semi_supervised.*""",
    ),
    (
        "neural network layers",
        """torch.nn.* torch.nn.functional.* torch.nn.attention.* torch.nn.init.* torch.nn.utils.*
        torch.nn.utils.rnn.*""",
    ),
    (
        "neural network training",
        """torch.optim.* torch.optim.Optimizer.* torch.optim.lr_scheduler.*
        torch.optim.lr_scheduler.LRScheduler.* torch.optim.swa_utils.* torch.amp.*""",
    ),
    (
        "automatic differentiation",
        """torch.autograd.* torch.autograd.forward_ad.* torch.autograd.functional.*
        torch.autograd.graph.* torch.func.* torch.utils.checkpoint.*""",
    ),
    (
        "distributed computing",
        """torch.distributed.* torch.distributed.checkpoint.* torch.distributed.fsdp.*
        torch.distributed.optim.* torch.distributed.pipelining.* torch.distributed.rpc.*
        torch.distributed.tensor.* torch.distributed.tensor.parallel.*""",
    ),
    (
        "model compilation",
        "torch.compiler.* torch.export.* torch.fx.* torch.jit.* torch.library.* torch.onnx.*",
    ),
)
