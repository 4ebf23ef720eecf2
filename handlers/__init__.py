"""TorchServe around the core. The one file here is packed into every archive, beside its bundle."""
