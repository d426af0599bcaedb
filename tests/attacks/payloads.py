"""Hostile pickles, byte by byte: each would make a file called `hacked`, or worse, if anything of it were executed."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Callable

MARK = "hacked"


def text(value: str) -> bytes:
    """A string on the stack."""
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def call(name: str, *arguments: str) -> bytes:
    """GLOBAL and REDUCE: `name` is "module function"."""
    module, function = name.split(" ")
    return f"c{module}\n{function}\n".encode() + b"(" + b"".join(map(text, arguments)) + b"tR"


def stack_call(module: str, function: str, *arguments: str) -> bytes:
    """The same by STACK_GLOBAL, as protocol 4 writes it."""
    return text(module) + text(function) + b"\x93(" + b"".join(map(text, arguments)) + b"tR"


def in_dict(value: bytes, key: str = "w") -> bytes:
    """As an entry of a state dict."""
    return b"\x80\x02}" + text(key) + value + b"s."


def bomb(levels: int = 9, width: int = 40) -> bytes:
    """A tuple of 40 times the same tuple, of 40 times the same, ...: few bytes, whose text would fill the memory."""
    value = b")q\x00"
    for level in range(levels):
        value = value + b"(" + bytes([ord("h"), level]) * width + b"tq" + bytes([level + 1])
    return b"(" + value + b"t"  # a tuple of them all: weights have no POP


def number(value: int) -> bytes:
    """An integer of any length."""
    data = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8b" + struct.pack("<i", len(data)) + data


def storage(key: bytes, count: bytes) -> bytes:
    """A reference of torch to numbers outside the pickle."""
    return b"(" + text("storage") + b"ctorch\nFloatStorage\n" + key + text("cpu") + count + b"tQ"


TOUCH = f"touch {MARK}"
PYTHON = f"open({MARK!r}, 'w')"
PICKLES: dict[str, tuple[bytes, str]] = {
    # the classics: a function of the system
    "os.system": (in_dict(call("os system", TOUCH)), "os.system"),
    "posix.system": (in_dict(call("posix system", TOUCH)), "posix.system"),
    "nt.system": (in_dict(call("nt system", TOUCH)), "nt.system"),
    "os.popen": (in_dict(call("os popen", TOUCH)), "os.popen"),
    "subprocess.Popen": (in_dict(call("subprocess Popen", TOUCH)), "subprocess.Popen"),
    "subprocess.check_output": (in_dict(stack_call("subprocess", "check_output", TOUCH)), "subprocess.check_output"),
    "pty.spawn": (in_dict(call("pty spawn", "sh")), "pty.spawn"),
    # Python itself
    "eval": (in_dict(call("builtins eval", PYTHON)), "builtins.eval"),
    "exec": (in_dict(call("builtins exec", PYTHON)), "builtins.exec"),
    "eval of Python 2": (in_dict(call("__builtin__ eval", PYTHON)), "__builtin__.eval"),
    "compile": (in_dict(call("builtins compile", PYTHON, "x", "exec")), "builtins.compile"),
    "__import__": (in_dict(call("builtins __import__", "os")), "builtins.__import__"),
    "open": (in_dict(call("builtins open", MARK, "w")), "builtins.open"),
    "getattr": (in_dict(call("builtins getattr", "x", "upper")), "builtins.getattr"),
    "importlib": (in_dict(call("importlib import_module", "os")), "importlib.import_module"),
    "runpy": (in_dict(call("runpy run_path", MARK)), "runpy.run_path"),
    "code": (in_dict(call("code interact", "x")), "code.interact"),
    "types.FunctionType": (in_dict(call("types FunctionType", "x")), "types.FunctionType"),
    "operator.attrgetter": (in_dict(call("operator attrgetter", "system")), "operator.attrgetter"),
    "functools.partial": (in_dict(call("functools partial", "x")), "functools.partial"),
    # what reaches out
    "webbrowser": (in_dict(call("webbrowser open", "http://127.0.0.1:1/")), "webbrowser.open"),
    "urlopen": (in_dict(call("urllib.request urlopen", "http://127.0.0.1:1/")), "urllib.request.urlopen"),
    "shutil.rmtree": (in_dict(call("shutil rmtree", ".")), "shutil.rmtree"),
    # what libraries of the field offer
    "torch.load again": (in_dict(call("torch load", MARK)), "torch.load"),
    "torch.hub.load": (in_dict(call("torch.hub load", "x", "y")), "torch.hub.load"),
    "_load_from_bytes": (in_dict(call("torch.storage _load_from_bytes", "x")), "torch.storage._load_from_bytes"),
    "numpy.load": (in_dict(call("numpy load", MARK)), "numpy.load"),
    "numpy.testing runstring": (
        in_dict(call("numpy.testing._private.utils runstring", PYTHON)),
        "numpy.testing._private.utils.runstring",
    ),
    "pickle.loads": (in_dict(call("pickle loads", "x")), "pickle.loads"),
    "joblib": (in_dict(call("joblib load", MARK)), "joblib.load"),
    # other ways to call: INST, OBJ, NEWOBJ, BUILD, extensions, dotted names, persistent ids
    "INST": (b"\x80\x02}" + text("w") + b"(" + text(TOUCH) + b"ios\nsystem\ns.", "INST"),
    "OBJ": (b"\x80\x02}" + text("w") + b"(cos\nsystem\n" + text(TOUCH) + b"os.", "os.system"),
    "NEWOBJ": (in_dict(b"csubprocess\nPopen\n(" + text(TOUCH) + b"t\x81"), "subprocess.Popen"),
    "NEWOBJ of what is known": (in_dict(b"ctorch\nFloatStorage\n)\x81"), "NEWOBJ"),
    "NEWOBJ_EX": (in_dict(b"csubprocess\nPopen\n(" + text(TOUCH) + b"t}\x92"), "subprocess.Popen"),
    "EXT1": (in_dict(b"\x82\x01"), "EXT1"),
    "dotted name": (in_dict(stack_call("torch._utils", "_rebuild_tensor_v2.__globals__")), "__globals__"),
    "module path as text": (in_dict(text("os.system") + b"(" + text(TOUCH) + b"tR"), "calls str"),
    "persistent id that is a call": (in_dict(call("os system", TOUCH) + b"Q"), "os.system"),
    "BUILD of a storage": (in_dict(b"ctorch\nFloatStorage\n}" + text("x") + text("y") + b"sb"), "StorageType"),
    "set_state by BUILD": (in_dict(call("collections OrderedDict") + call("os system", TOUCH) + b"b"), "os.system"),
    "second pickle behind the first": (b"\x80\x02}." + in_dict(call("os system", TOUCH)), "no tensors|os.system"),
    "a whole module": (in_dict(b"ctorchvision.models.resnet\nResNet\n)\x81"), "torchvision.models.resnet.ResNet"),
    # messages that would take the memory, or never end
    "a name that is a bomb": (in_dict(text("os") + bomb() + b"\x93"), "a name that is no text"),
    "a key that is a bomb": (in_dict(storage(bomb(), number(4))), "a storage with key tuple"),
    "a count that is too long to be written": (in_dict(storage(text("0"), number(10**5000))), "and count int"),
    "buffers": (in_dict(b"\x97"), "NEXT_BUFFER"),
}


def zipped(pickled: bytes) -> bytes:
    """As torch has stored files since 1.6."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    return stream.getvalue()


def legacy(pickled: bytes) -> bytes:
    """As torch stored files before."""
    head = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}q\x00X\x0d\x00\x00\x00little_endian"
    return head + b"q\x01\x88s." + pickled + b"\x80\x02]."


CONTAINERS: dict[str, Callable[[bytes], bytes]] = {"zip": zipped, "legacy": legacy, "bare": lambda pickled: pickled}
