"""Pictures and image files become rows of pixels in MNIST's form; no torch.

Read `digit_image_normalizer` (one digit) and `segmentation` (a page), then what both call, in this
order: `image_files`, `picture`, `writing`, `grey_conversion`, `ink`, `strokes`, `ruled_lines`,
`surroundings`, `grouping`, `mnist_frame`.
`pixel_scaler` stands apart: it scales rows of pixels to [0, 1] for a classifier.
"""
