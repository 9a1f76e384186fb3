"""A fitted classifier reads the digits in an image: `reading` finds them, then classifies them."""
