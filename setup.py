"""The one thing pyproject.toml cannot say: the migrations of the top folder travel inside the package."""

from __future__ import annotations

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["hashsvc", "hashsvc.*"]), "hashsvc.migrations", "hashsvc.migrations.versions"],
    package_dir={"hashsvc.migrations": "migrations", "hashsvc.migrations.versions": "migrations/versions"},
    package_data={"hashsvc": ["py.typed"]},
)
