"""What a model would cost on a board: cycles, bytes and tokens a second, without running it."""

from .catalogue import find_model, model_names
from .estimate import Estimate, LayerEstimate, estimate
from .model_shape import EstimateError, Linear, ModelShape, WeightFormat
from .platforms import Platform, find_platform, platform_names

__all__ = [
    "Estimate",
    "EstimateError",
    "LayerEstimate",
    "Linear",
    "ModelShape",
    "Platform",
    "WeightFormat",
    "estimate",
    "find_model",
    "find_platform",
    "model_names",
    "platform_names",
]
