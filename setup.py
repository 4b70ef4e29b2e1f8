"""Entry point for pip and setuptools; the compiled modules are listed in CMakeLists.txt, the rest in pyproject.toml."""

from setuptools import find_namespace_packages, setup

setup(
    packages=find_namespace_packages(include=["clipper", "clipper.*", "model_containers", "model_containers.*"]),
    package_data={
        "clipper": ["py.typed"],
        "clipper._core": ["*.pyi", "*.pxd", "*.hpp"],
        "model_containers": ["py.typed"],
    },
    # What is compiled into the load client; setuptools takes the directory for a package.
    exclude_package_data={"clipper.bench.client": ["*"]},
    cmake_source_dir=".",
)
