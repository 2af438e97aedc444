"""Comparing codes on a torch device: every code with every query of a large batch, as products of small matrices.

Nothing here is imported until a collection's kind or a join asks for a device.
"""
