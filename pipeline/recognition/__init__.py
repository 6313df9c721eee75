"""Pictures of single digits, prepared like MNIST and classified."""
