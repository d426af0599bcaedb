"""Census: one small model of each timm module, torchvision family and classifier of transformers, captured, rebuilt,
trained; a JSON line each.

    python bench/census_torch.py OUT.jsonl                        all that OUT.jsonl hasn't passed yet
    python bench/census_torch.py OUT.jsonl timm/resnet18:96       one or more, at that size
    python bench/census_torch.py OUT.jsonl --jax                  some of them on JAX, too

Random weights whose batch statistics are calibrated on noise and then shaken, so that no layer is the identity. torch
and TensorFlow have a process each, which is started anew when a model crashes it. Logits are judged at 1e-4 of the
largest, or 4 times the source's own float32 noise where that is larger, and so is the difference between images;
float64 at 1e-9. Four steps of SGD with momentum (and AdamW for some), dropout and drop-path at 0: see _census.py.
"""

from __future__ import annotations

import json
from pathlib import Path

from _census import Record, loop, measured, options, remaining
from _child import Child

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
ADAMW_ON = """resnet18 mobilenetv2_035 vit_tiny_patch16_224 regnetx_002 mobilenetv3_small_050 edgenext_xx_small
ghostnet_050 mobilevit_xxs convnext_atto_rms fasternet_t0 shufflenet_v2_x0_5 squeezenet1_1 starnet_s050 lcnetv2_small"""
JAX_ON = """resnet18 starnet_s050 squeezenet1_1 alexnet resnetv2_18 ese_vovnet19b_slim_dw legacy_seresnet18 regnetx_002
skresnet18"""


def listed() -> list[str]:
    """The models of the census."""
    named = [f"timm/{name}" for name in TIMM.split()] + [f"torchvision/{name}" for name in TORCHVISION.split()]
    table = json.loads((Path(__file__).parent / "transformers.json").read_text(encoding="utf-8"))
    named += [f"transformers/{name}:{row['size']}" for name, row in table.items()]
    return [name if ":" in name else f"{name}:224" if "224" in name else f"{name}:{SIZE}" for name in named]


def main() -> None:
    parser = options(__doc__)
    parser.add_argument("--no-keras", action="store_true")
    parser.add_argument("--jax", action="store_true", help="those of JAX_ON on JAX, too, which takes minutes")
    given = parser.parse_intermixed_args()

    def ask(named: str, children: dict[str, Child]) -> Record:
        name, _, size = named.partition(":")
        record = {"model": name, "size": int(size or SIZE)}
        short = name.split("/")[1]
        question = {"name": name, "size": record["size"], "steps": given.steps, "adamw": short in ADAMW_ON.split()}
        wanted = {"tensorflow": not given.no_keras, "jax": given.jax and short in JAX_ON.split()}
        others = {framework: children[framework] for framework in wanted if wanted[framework]}
        return measured(record, children["source"], question, others, given.limit)

    keras = {name: {"CENSUS_TARGET": name, "KERAS_BACKEND": name} for name in ("tensorflow", "jax")}
    children = {
        "source": ("_census_torch_source.py", {}),
        "tensorflow": ("_census_target.py", keras["tensorflow"]),
        "jax": ("_census_target.py", {**keras["jax"], "JAX_ENABLE_X64": "1"}),
    }
    loop(given, given.models or remaining(given.out, listed()), ask, children)


if __name__ == "__main__":
    main()
