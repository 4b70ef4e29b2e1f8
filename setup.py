"""Entry point for pip and setuptools; the compiled modules are listed in CMakeLists.txt, the rest in pyproject.toml."""

from setuptools import find_namespace_packages, setup

setup(
    packages=find_namespace_packages(
        include=["clipper", "clipper.*", "model_containers", "model_containers.*"],
        exclude=["clipper.bench.client"],  # C++
    ),
    package_data={
        "clipper": ["py.typed"],
        "clipper._core": ["*.pyi", "*.pxd", "*.hpp"],
        "model_containers": ["py.typed"],
    },
    cmake_source_dir=".",
)
