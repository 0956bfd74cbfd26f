"""Kernels in LLVM's intermediate representation, compiled for the CPU they run on; and pieces to write them with."""

import ctypes
from collections.abc import Callable

import llvmlite.binding as llvm

VECTOR = 64  # bytes


def compiled(program: str, name: str, *arguments: type) -> Callable[..., None]:
    """The function `name` of an LLVM IR program, for arguments of these ctypes; it returns nothing.

    >>> store = "define void @store(ptr %at, i8 %value) { store i8 %value, ptr %at  ret void }"
    >>> byte = ctypes.c_int8(0)
    >>> compiled(store, "store", ctypes.c_void_p, ctypes.c_int8)(ctypes.addressof(byte), 7)
    >>> byte.value
    7
    """
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    cpu = {"cpu": llvm.get_host_cpu_name(), "features": llvm.get_host_cpu_features().flatten()}
    machine = llvm.Target.from_default_triple().create_target_machine(**cpu, opt=3)
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(program), machine)
    engine.finalize_object()
    run = ctypes.CFUNCTYPE(None, *arguments)(engine.get_function_address(name))
    run.engine = engine  # the code lives as long as its engine
    return run


def splat(name: str, kind: str, value: str, lanes: int = 16) -> str:
    """%name = a vector of `lanes` times the scalar `value` of type `kind`.

    >>> print(splat("low", "float", "%lowest").strip())
    %low.one = insertelement <16 x float> poison, float %lowest, i32 0
      %low = shufflevector <16 x float> %low.one, <16 x float> poison, <16 x i32> zeroinitializer
    """
    vector = f"<{lanes} x {kind}>"
    return f"""
  %{name}.one = insertelement {vector} poison, {kind} {value}, i32 0
  %{name} = shufflevector {vector} %{name}.one, {vector} poison, <{lanes} x i32> zeroinitializer"""


def load(name: str, kind: str, base: str, index: str | int) -> str:
    """%name = element `index` of the array of `kind` at `base`.

    >>> print(load("x", "<16 x float>", "%row", 2).strip())
    %x.at = getelementptr <16 x float>, ptr %row, i64 2
      %x = load <16 x float>, ptr %x.at, align 1
    """
    return f"""
  %{name}.at = getelementptr {kind}, ptr {base}, i64 {index}
  %{name} = load {kind}, ptr %{name}.at, align 1"""
