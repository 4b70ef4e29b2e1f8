"""Entry point for pip and setuptools; the list of compiled sources is in CMakeLists.txt."""

from setuptools import find_packages, setup

setup(
    packages=find_packages(include=["clipper*", "model_containers*"]),
    package_data={"clipper": ["py.typed", "_core/*.pxd", "_core/*.hpp", "_core/*.pyi"], "model_containers": ["py.typed"]},
    cmake_source_dir=".",
)
