"""What Nginx and TorchServe are configured with; rendered into the run directory."""
