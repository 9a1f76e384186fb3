"""Handwritten digits with a PyTorch perceptron that is a genuine scikit-learn classifier.

The public names stand in ``__init__.pyi``. Each is imported when it is first used, so that the data
sets and ``sk-digits --help`` do without torch.
"""

import lazy_loader

__version__ = "0.1.0"
__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
