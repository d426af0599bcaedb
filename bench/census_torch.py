"""Census: one small model of each timm module and torchvision family, captured and rebuilt; a JSON line each.

    python bench/census_torch.py OUT.jsonl                        all, the torch rebuild and the Keras one
    python bench/census_torch.py OUT.jsonl timm/resnet18:96       one or more, at that size
    python bench/census_torch.py OUT.jsonl --no-keras             the torch rebuild alone

Random weights whose batch statistics are calibrated on noise and then shaken, so that no layer is the identity. Each
model runs in processes of its own: torch and TensorFlow can't share one. Logits are judged at 1e-4 of the largest, or 4
times the source's own float32 noise where that is larger; float64 at 1e-9.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

TIMM = """beit_base_patch16_224 eca_botnext26ts_256:256 mobileone_s1 cait_xxs24_224:224 coat_tiny:224 convit_tiny:224
convmixer_768_32 convnext_atto_rms cpubone_nano crossvit_tiny_240:240 csatv2:128 cs3darknet_focus_s cspnext_tiny
davit_tiny deepseek_vit_412m:112 deit_tiny_patch16_224 densenet121 dla34 dpn48b edgenext_xx_small efficientformer_l1:224
efficientformerv2_s0:224 mobilenetv2_035 efficientvim_m1 efficientvit_b0 efficientvit_m0:224 eva02_tiny_patch14_224:224
fasternet_t0 fastvit_t8 focalnet_tiny_srf gcvit_xxtiny:224 gemma4_vit_167m:128 ghostnet_050 hardcorenas_b hgnetv2_b0
hiera_tiny_224:224 sam2_hiera_tiny:128 hrnet_w18_small iformer_t inception_next_atto ens_adv_inception_resnet_v2:160
adv_inception_v3:160 inception_v4:160 lcnetv2_small levit_128s:224 lowformer_b0 mambaout_femto maxvit_pico_rw_256:256
poolformerv2_s12 gmixer_12_224:224 mobilenetv3_small_050 mobilenetv5_base mobilevit_xxs mvitv2_tiny:224
naflexvit_base_patch16_parfac_gap:128 nasnetalarge:128 jx_nest_tiny:224 nextvit_small nf_regnet_b0 pit_xs_224:224
pnasnet5large:128 pvt_v2_b0 qwen3_vit_88m:128 rdnet_tiny regnetx_002 repghostnet_050 repvit_m0_9 res2net50_26w_4s
resnest26d resnet18 resnetv2_18 rexnet_100 selecsls42 legacy_seresnet18 sequencer2d_s:224 shvit_s1 skresnet18
starnet_s050 swiftformer_xs:224 swin_tiny_patch4_window7_224:224 swinv2_tiny_window8_256:256 swinv2_cr_tiny_224:224
tiny_vit_5m_224 tnt_s_legacy_patch16_224:224 tresnet_m twins_svt_small:224 vgg11_bn visformer_tiny:224
vit_tiny_patch16_224:224 vit_tiny_r_s16_p8_224:224 vit_srelpos_small_patch16_224:224 samvit_base_patch16_224:224
vitamin_small_224:224 volo_d1_224:224 ese_vovnet19b_slim_dw legacy_xception:128 xception41p:128
xcit_nano_12_p16_224:224"""
TORCHVISION = """alexnet convnext_tiny:64 densenet121:64 efficientnet_b0:64 efficientnet_v2_s:64 googlenet
inception_v3:299 maxvit_t:224 mnasnet0_5:64 mobilenet_v2:64 mobilenet_v3_small:64 regnet_x_400mf:64 regnet_y_400mf:64
resnet18:64 resnext50_32x4d:64 shufflenet_v2_x0_5:64 squeezenet1_0 squeezenet1_1 swin_t:224 swin_v2_t:224 vgg11:64
vit_b_32:224 wide_resnet50_2:64"""
SIZE = 96


def listed() -> list[str]:
    """The models of the census."""
    named = [f"timm/{name}" for name in TIMM.split()] + [f"torchvision/{name}" for name in TORCHVISION.split()]
    return [name if ":" in name else f"{name}:224" if "224" in name else f"{name}:{SIZE}" for name in named]


def made(name: str) -> Any:
    """The live module with random weights."""
    library, model = name.split("/")
    if library == "timm":
        import timm

        return timm.create_model(model, pretrained=False)
    import torchvision

    return torchvision.models.get_model(model, weights=None)


def shaken(model: Any, images: Any, seed: int = 0) -> None:
    """Constant parameters become random ones of their size; batch statistics are those of the images, shaken."""
    import torch
    from torch import nn

    generator = torch.Generator().manual_seed(seed)

    def between(like: Any, low: float, high: float) -> Any:
        return torch.rand(like.shape, generator=generator) * (high - low) + low

    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats]
    with torch.no_grad():
        for p in model.parameters():
            if p.is_floating_point() and (p.numel() == 1 or float(p.std()) == 0):
                c = float(p.flatten()[0])
                if c == 0:
                    p.copy_(torch.randn(p.shape, generator=generator) * 0.05)
                else:
                    p.copy_(between(p, 0.1, 0.4) if abs(c) < 0.05 else c * between(p, 0.7, 1.3))
        momenta = [m.momentum for m in norms]
        for m in norms:
            m.momentum = 1.0
        if norms:
            model.train()
            model(images)
        for m, momentum in zip(norms, momenta, strict=True):
            m.momentum = momentum
            m.running_mean.add_(torch.randn(m.running_mean.shape, generator=generator) * 0.1 * m.running_var.sqrt())
            m.running_var.mul_(between(m.running_var, 0.7, 1.4)).add_(1e-3)
    model.eval()


def captured(name: str, size: int, folder: Path) -> dict[str, Any]:
    """Capture, write back, rebuild in torch; leaves the graph and the logits in the folder."""
    import torch

    from bakeoff.frameworks.torch.build import build
    from bakeoff.frameworks.torch.capture import capture

    torch.manual_seed(0)
    model = made(name)
    images = torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(1))
    shaken(model, images)
    begun = time.perf_counter()
    found = capture(model, input_size=(size, size))
    record: dict[str, Any] = {"capture_s": round(time.perf_counter() - begun, 2)}
    state, own = found.state_dict(), {k: v.numpy() for k, v in model.state_dict().items()}
    record["bits"] = state.keys() == own.keys() and all(np.array_equal(state[key], own[key]) for key in own)
    record["nodes"], record["fixed_size"], record["notes"] = len(found.graph.nodes), found.fixed_size, found.notes
    record["transposes"] = sum(node.op == "transpose" for node in found.graph.nodes)
    record["count"] = found.graph.count(trainable=True)
    record["same_count"] = record["count"] == sum(p.numel() for p in model.parameters() if p.requires_grad)
    x = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(7))
    logits = {}
    for dtype in ("float32", "float64"):
        model.to(getattr(torch, dtype)).eval()
        net = build(found.graph.astype(dtype), dtype).module.eval()
        with torch.no_grad():
            logits[dtype], rebuilt = (
                model(x.to(getattr(torch, dtype))).numpy(),
                net(x.to(getattr(torch, dtype))).numpy(),
            )
        record[f"torch_{dtype}"] = _error(rebuilt, logits[dtype])
    record["floor"] = _error(logits["float32"], logits["float64"])
    record["spread"] = float(
        np.abs(logits["float64"] - logits["float64"].mean(0)).max() / np.abs(logits["float64"]).max()
    )
    np.savez(folder / "io.npz", x=x.numpy().transpose(0, 2, 3, 1), y32=logits["float32"], y64=logits["float64"])
    (folder / "graph.pickle").write_bytes(pickle.dumps(found.graph))
    return record


def rebuilt(folder: Path) -> dict[str, Any]:
    """The Keras net of the graph in the folder, on TensorFlow."""
    from bakeoff import frameworks

    graph = pickle.loads((folder / "graph.pickle").read_bytes())
    saved = np.load(folder / "io.npz")
    record: dict[str, Any] = {}
    for dtype, y in (("float32", saved["y32"]), ("float64", saved["y64"])):
        begun = time.perf_counter()
        net = frameworks.load("tensorflow").native(graph.astype(dtype), precision=dtype)
        record[f"keras_{dtype}_s"] = round(time.perf_counter() - begun, 2)
        record[f"keras_{dtype}"] = _error(net.logits(saved["x"].astype(dtype)), y)
        if dtype == "float32":
            record["keras_count"] = int(sum(np.prod(v.shape) for v in net.native.trainable_variables))
    return record


def _error(found: Any, expected: Any) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def judged(record: dict[str, Any]) -> bool:
    """Whether a record is a success."""
    if "error" in record or not record.get("bits"):
        return False
    floor = max(1e-4, 4 * record["floor"])
    sides = [side for side in ("torch", "keras") if f"{side}_float32" in record]
    return all(record[f"{side}_float32"] <= floor and record[f"{side}_float64"] <= 1e-9 for side in sides)


def stage(arguments: list[str], limit: int) -> dict[str, Any]:
    """One stage in a process of its own; an error is its last line."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TF_NUM_INTRAOP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, __file__, *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=limit, env=environment)
    except subprocess.TimeoutExpired:
        return {"error": f"more than {limit} s"}
    lines = done.stdout.strip().splitlines()
    if done.returncode == 0 and lines:
        return dict(json.loads(lines[-1]))
    return {"error": "\n".join(done.stderr.strip().splitlines()[-4:])[-1200:]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("models", nargs="*")
    parser.add_argument("--no-keras", action="store_true")
    parser.add_argument("--limit", type=int, default=300, help="seconds for a stage")
    given = parser.parse_intermixed_args()
    total = passed = 0
    for named in given.models or listed():
        name, _, size = named.partition(":")
        with tempfile.TemporaryDirectory() as folder:
            record: dict[str, Any] = {"model": name, "size": int(size or SIZE)}
            record |= stage(["--capture", name, size or str(SIZE), folder], given.limit)
            if "error" not in record and not given.no_keras:
                record |= stage(["--keras", folder], given.limit)
        record["passed"] = judged(record)
        total, passed = total + 1, passed + record["passed"]
        with given.out.open("a") as file:
            file.write(json.dumps(record) + "\n")
        why = record.get("error", "").replace("\n", " | ")[-300:] if not record["passed"] else ""
        figures = [record.get(f"{s}_{d}") for s in ("torch", "keras") for d in ("float32", "float64")]
        shown = " ".join("-" if f is None else f"{f:.0e}" for f in figures)
        print(f"{'ok  ' if record['passed'] else 'FAIL'} {named} {shown} {why}", flush=True)
    print(f"{passed} of {total}")


if __name__ == "__main__":
    if sys.argv[1:2] == ["--capture"]:
        print(json.dumps(captured(sys.argv[2], int(sys.argv[3]), Path(sys.argv[4]))))
    elif sys.argv[1:2] == ["--keras"]:
        print(json.dumps(rebuilt(Path(sys.argv[2]))))
    else:
        main()
