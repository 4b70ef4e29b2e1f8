"""What runs first in the image of Clipper: secrets as container platforms hand them over, and the health check."""
