"""Pictures and image files become rows of pixels as MNIST has them; no torch.

Read `digit_image_normalizer` and `segmentation`, then what they call: `image_files`, `pictures`,
`brightness`, `ink`, `ruled_lines`, `digit_picture`, `mnist_frame`. `pixel_scaler` stands apart.
"""
