class Rectangle:
    """A rectangle with a width and a height."""

    def __init__(self, width, height):
        self.width = width
        self.height = height

    def set_width(self, width):
        """Set the width of the rectangle."""
