"""Data: where files come from, how they are verified, parsed, split and prepared."""
