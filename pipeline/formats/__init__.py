"""Readers of image data sets (IDX files, .npz archives, folders of pictures) and the checks on their contents."""
