"""What is drawn, by hand and by Pillow: plots as SVG, images with their labels, letters for every class name."""
