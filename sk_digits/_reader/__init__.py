"""A trained reader of pictures: `load_reader` and `read_page`.

Read `pretrained` first, the reader whose weights come with the package; then `page_reading`, what
it makes of a page.
"""
