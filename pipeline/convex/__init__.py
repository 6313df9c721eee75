"""The training objective of softmax regression and its minimum, a lower limit for any training: NumPy and SciPy."""
