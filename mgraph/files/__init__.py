"""Bytes and rows on disk: read with bounds, written whole or not at all, embedded in pictures and notebooks."""
