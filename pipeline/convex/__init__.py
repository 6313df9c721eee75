"""The training objective of softmax regression and its minimum, below which no training can come: NumPy and SciPy."""
