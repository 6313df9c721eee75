"""Prepares pictures of single digits like MNIST, and classifies them."""
