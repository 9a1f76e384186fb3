from ._ann.digit_ann import DigitANN as DigitANN
from ._ann.digit_pipeline import make_digit_pipeline as make_digit_pipeline
from ._ann.training_checkpoint import TrainingCheckpoint as TrainingCheckpoint
from ._images.digit_image_normalizer import DigitImageNormalizer as DigitImageNormalizer
from ._images.image_files import ImageFileError as ImageFileError
from ._images.pixel_scaler import PixelScaler as PixelScaler
from ._images.segmentation import DigitSegment as DigitSegment
from ._images.segmentation import segment_digits as segment_digits
from ._model_files.model_file import ModelFileError as ModelFileError
from ._model_files.model_file import read_metadata as read_metadata
from ._model_files.save_and_load import load_model as load_model
from ._model_files.save_and_load import save_model as save_model
from ._network.random_warp import RandomWarp as RandomWarp
from ._reader.page_reading import PageReading as PageReading
from ._reader.page_reading import read_page as read_page
from ._reader.pretrained import load_reader as load_reader
from ._selective import SelectiveClassifier as SelectiveClassifier

__version__: str
