"""Builds the two things that setuptools cannot declare: the gRPC stubs and the native core."""

import os
import sys
from pathlib import Path

import numpy as np
from Cython.Build import cythonize
from setuptools import Command, Extension, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
SERVICE = ROOT / "service"


class GenerateStubs(Command):
    """`python setup.py proto`: writes message classes, gRPC stubs and their types into service/."""

    user_options = []

    def initialize_options(self):
        """Nothing to set."""

    def finalize_options(self):
        """Nothing to check."""

    def run(self):
        """Runs protoc over our contract and the one vendored file that has no Python package."""
        import grpc_tools
        from grpc_tools import protoc

        os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        include = [ROOT / "proto", ROOT / "third_party/proto", Path(grpc_tools.__file__).parent / "_proto"]
        out = [f"--{kind}_out={SERVICE}" for kind in ("python", "mypy", "grpc_python", "mypy_grpc")]
        ours = sorted(path.relative_to(ROOT / "proto").as_posix() for path in (ROOT / "proto").rglob("*.proto"))
        arguments = ["protoc", *[f"-I{path}" for path in include]]
        if protoc.main([*arguments, *out, *ours]) or protoc.main([*arguments, *out[:2], "buf/validate/validate.proto"]):
            raise SystemExit("protoc refused the contract")


class BuildPy(build_py):
    """Generates the stubs before it collects the Python files."""

    def run(self):
        """Stubs first."""
        self.run_command("proto")
        super().run()


extensions = [
    Extension(
        f"fanxing_core.{path.stem}",
        [path.relative_to(ROOT).as_posix()],
        include_dirs=["core/fanxing_core", np.get_include()],
        depends=sorted(header.relative_to(ROOT).as_posix() for header in (ROOT / "core/fanxing_core").glob("*.h")),
        extra_compile_args=["-O3", "-ffp-contract=off", "-fwrapv", "-Wno-unused-function"],
        define_macros=[("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION")],
    )
    for path in sorted((ROOT / "core/fanxing_core").glob("*.pyx"))
]

setup(
    cmdclass={"proto": GenerateStubs, "build_py": BuildPy},
    ext_modules=cythonize(
        extensions,
        build_dir="build/cython",
        compiler_directives={"language_level": 3, "boundscheck": False, "wraparound": False, "cdivision": True},
    ),
)
