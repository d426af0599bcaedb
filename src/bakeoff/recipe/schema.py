"""What a recipe can say: frozen values with their defaults, drawn from TOML.

Recipe
├── data         DataSettings: Split, bad files
├── input        InputSettings: how an image becomes numbers (what is None comes from the data or the backbone)
├── augment      AugmentSettings: how training images are varied
├── model        ModelSettings: an architecture by name, or a frozen backbone under a new head; the loss
├── phases       Probe | Widen | Finetune, told apart by `strategy`; a further strategy is one more Struct in `Phase`
└── evaluation   EvaluationSettings
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from bakeoff.schemas import SCHEMA

Count = Annotated[int, Meta(ge=1)]
Ratio = Annotated[float, Meta(ge=0, le=1)]
BelowOne = Annotated[float, Meta(ge=0, lt=1)]
NotNegative = Annotated[float, Meta(ge=0)]
Positive = Annotated[float, Meta(gt=0)]
Argument = bool | int | float | str | list[Any]


class _Table(Struct, frozen=True, forbid_unknown_fields=True):
    """A table of the recipe: an unknown key is an error, never ignored."""


class Split(_Table, frozen=True):
    """Shares of the images; they add up to 1. Data that come with split folders keep them."""

    train: Ratio = 0.8
    validation: Ratio = 0.1
    test: Ratio = 0.1


class DataSettings(_Table, frozen=True):
    """How a folder becomes splits.

    Attributes:
        split: the shares.
        bad_files: `fail` names unreadable images and stops; `exclude` leaves them out, counted and listed.
        folds: k of cross-validation: all but the test share is parted in k; None: validation has its share.
        fold: which of the folds validates, from 0.
        frozen: an earlier run whose split is kept: its test images stay the test images.
        label_separator: what stands between several labels of an image in a list's cell, as "|".
        label_columns: a list's columns of 0 and 1, one a class, where images have several labels; none: all columns
            that a list without labels has besides paths, splits and groups.
        follow_links: symbolic links among the images are the files that they lead to; else they are bad files.
    """

    split: Split = Split()
    bad_files: Literal["fail", "exclude"] = "fail"
    folds: Annotated[int, Meta(ge=2)] | None = None
    fold: Annotated[int, Meta(ge=0)] = 0
    frozen: str | None = None
    label_separator: Annotated[str, Meta(min_length=1)] | None = None
    label_columns: tuple[str, ...] = ()
    follow_links: bool = False


class InputSettings(_Table, frozen=True):
    """The preprocessing signature, as far as the recipe fixes it.

    Attributes:
        size: height and width in pixels; None: from the data or the backbone.
        channels: 1 (grey) or 3 (RGB); None: from the data or the backbone.
        fit: `stretch` the whole image to `size`, or `crop` its middle; None: from the backbone, else stretch.
        resize: the filter, as `bilinear` or `bicubic`; None: from the backbone, else bilinear.
        resize_to: the shorter side in pixels before the crop; None: from the backbone.
        mean: per channel, of pixels in 0..1; None: from the backbone, else 0.
        std: per channel, of pixels in 0..1; None: from the backbone, else 1 (that is, pixels / 255).
        scaled_decode: large JPEGs are decoded at 1/2, 1/4 or 1/8, at least four times the size that is needed; None:
            they are (of 713 images of 12 megapixels no answer changed, at three times the speed).
    """

    size: tuple[Count, Count] | None = None
    channels: Literal[1, 3] | None = None
    fit: Literal["stretch", "crop"] | None = None
    resize: Literal["nearest", "box", "bilinear", "bicubic", "lanczos"] | None = None
    resize_to: Count | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[Positive, ...] | None = None
    scaled_decode: bool | None = None


class AugmentSettings(_Table, frozen=True):
    """How `finetune` varies the images of the training set, each epoch anew; other splits stay as they are.

    Attributes:
        preset: `none`, `light`, `standard`, `strong`, or `digits`, which never flips.
        operations: tables of a `name` (a file of `bakeoff.data.augment`) and its settings: they replace the preset's
            operation of that name, or follow behind.
    """

    preset: str = "none"
    operations: tuple[dict[str, Argument], ...] = ()


class ModelSettings(_Table, frozen=True):
    """The network: `name` (trained from scratch) or `backbone` (pretrained, under a new head), exactly one of them.

    Attributes:
        name: a file of `bakeoff.models`.
        arguments: what that file's builder takes besides classes and input shape.
        backbone: a pretrained feature extractor.
        until: the stage at which the backbone is cut; None: before its own classifier.
        hidden: widths of dense layers with relu between a backbone's features and the logits.
        dropout: share of the features that is dropped before the new head.
        loss: `softmax_cross_entropy`; `binary_cross_entropy` has one logit and is for two classes;
            `multi_label_cross_entropy` asks each class by itself, for images with several labels. None: the last one
            for such images, else the first.
    """

    name: str | None = None
    arguments: dict[str, Argument] = {}
    backbone: str | None = None
    until: str | None = None
    hidden: tuple[Count, ...] = ()
    dropout: BelowOne = 0.0
    loss: Literal["softmax_cross_entropy", "binary_cross_entropy", "multi_label_cross_entropy"] | None = None


class OptimizerSettings(_Table, frozen=True):
    """A page of `bakeoff.optimizers` and its settings; None: the page's own default."""

    name: str = "adam"
    momentum: BelowOne | None = None
    nesterov: bool | None = None
    beta1: BelowOne | None = None
    beta2: BelowOne | None = None
    epsilon: Positive | None = None
    weight_decay: NotNegative | None = None

    def settings(self) -> dict[str, float | bool]:
        """What the recipe says besides the name."""
        return {
            key: value for key, value in msgspec.structs.asdict(self).items() if key != "name" and value is not None
        }


class ScheduleSettings(_Table, frozen=True):
    """A file of `bakeoff.training.schedules`.

    Attributes:
        peak: the learning rate; the highest, where it changes.
        warmup_epochs: epochs (a fraction is fine) of linear rise to the peak.
        end: the rate that a falling schedule would reach right after its last step.
    """

    name: str = "constant"
    peak: Positive = 1e-3
    warmup_epochs: NotNegative = 0.0
    end: NotNegative = 0.0


class Probe(_Table, frozen=True, tag_field="strategy", tag="probe"):
    """Train a linear head on the features of a frozen backbone, each image seen once.

    Attributes:
        folds: of the cross-validation that chooses the regularisation.
        penalties: the inverse strengths C to choose from (C multiplies the summed loss: smaller is stricter).
        views: of each training image, as `plain` and `flip` (left and right exchanged); others are seen plain.
        class_weights: `none`, `balanced` (images / (classes * images of the class)), or a number a class. Where
            images have several labels, of a class's positives, `balanced` being negatives / positives.
        temperature: `folds` divides the logits by the one number that makes the probabilities of held-back images
            most likely (temperature scaling): the same answers, with probabilities that can be trusted more.
        max_iterations: of L-BFGS.
    """

    folds: Annotated[int, Meta(ge=2)] = 5
    penalties: Annotated[tuple[Positive, ...], Meta(min_length=1)] = (0.001, 0.01, 0.1, 1.0, 10.0)
    views: Annotated[tuple[Literal["plain", "flip"], ...], Meta(min_length=1)] = ("plain",)
    class_weights: Literal["none", "balanced"] | tuple[Positive, ...] = "none"
    temperature: Literal["none", "folds"] = "none"
    max_iterations: Count = 1000

    @property
    def strategy(self) -> str:
        """`probe`."""
        return "probe"


class Finetune(_Table, frozen=True, tag_field="strategy", tag="finetune"):
    """Train with the framework's own optimiser steps, from scratch or from where the last phase ended.

    Several phases of this kind, each with its own `freeze` and `size`, are gradual unfreezing and progressive resizing.

    Attributes:
        epochs: passes over the training set.
        batch_size: images a step; with `accumulate`, images a micro-batch.
        optimizer: the page and its settings.
        schedule: the learning rate, step by step.
        freeze: fnmatch patterns on parameter paths that stay as they are; `backbone` stands for all but the head.
            Before the first layer that is trained, dropout and drop-path are off.
        batch_norm: `train` uses and updates the statistics of the batch, of several workers those of a part of it;
            `synchronised` those of the whole batch, wherever its parts are; `frozen` uses the stored ones.
        cache: `auto` computes what frozen layers give once, where images aren't varied, or flipped alone; `off` each
            time anew.
        accumulate: micro-batches whose gradients make one step.
        shards: parts of a batch whose gradients are computed apart and added in one order, so that any number of
            workers that divides it gives the same bits; batch norm sees a shard. None: the batch is one.
        drop_last: whether a last, smaller batch is left out.
        sampling: `uniform` sees each image once an epoch; `balanced` draws, with replacement, each class as often.
        label_smoothing: share of a label's weight that is spread over all classes.
        class_weights: `none`, `balanced` (images / (classes * images of the class)), or a number a class. Where
            images have several labels, of a class's positives, `balanced` being negatives / positives.
        focal: gamma of the focal loss: 0, or 1 and more; easy images count less.
        clip: the largest norm of all gradients together; longer ones are scaled down to it.
        layer_decay: factor on the rate from each block to the one before it; 1: the same rate for all.
        decay_vectors: whether weight decay is for biases and scales, too.
        average: decay of a running mean of the weights, step by step, which is what is kept; 0: none.
        average_every: optimizer steps from one update of that mean to the next.
        teacher: a run or bundle whose answers the net learns, besides the labels.
        teacher_share: the teacher's part of the loss.
        temperature: at which the teacher's answers are softened.
        size: height and width of the images in this phase; None: the recipe's. The last phase has none of its own.
        patience: epochs without a better validation accuracy after which the phase ends; None: all epochs.
        keep: the weights of the `last` epoch; of the `best` by validation accuracy, the first of equals; or of the last
            epoch `if-better` than those before the phase, which come back otherwise.
        keep_confidence: of the interval of that difference in validation accuracy, which must lie above 0.
        keep_best: how many of the best epochs stay in the run folder, as `checkpoints/best-EPOCH.safetensors`.
    """

    epochs: Count = 5
    batch_size: Count = 32
    optimizer: OptimizerSettings = OptimizerSettings()
    schedule: ScheduleSettings = ScheduleSettings()
    freeze: tuple[str, ...] = ()
    batch_norm: Literal["train", "synchronised", "frozen"] = "train"
    cache: Literal["auto", "off"] = "auto"
    accumulate: Count = 1
    shards: Annotated[int, Meta(ge=1, le=4096)] | None = None
    drop_last: bool = False
    sampling: Literal["uniform", "balanced"] = "uniform"
    label_smoothing: BelowOne = 0.0
    class_weights: Literal["none", "balanced"] | tuple[Positive, ...] = "none"
    focal: NotNegative = 0.0
    clip: Positive | None = None
    layer_decay: Annotated[float, Meta(gt=0, le=1)] = 1.0
    decay_vectors: bool = True
    average: BelowOne = 0.0
    average_every: Count = 1
    teacher: str | None = None
    teacher_share: Ratio = 0.5
    temperature: Positive = 4.0
    size: tuple[Count, Count] | None = None
    patience: Count | None = None
    keep: Literal["last", "best", "if-better"] = "last"
    keep_confidence: Annotated[float, Meta(gt=0, lt=1)] = 0.95
    keep_best: Annotated[int, Meta(ge=0)] = 0

    @property
    def strategy(self) -> str:
        """`finetune`."""
        return "finetune"


class Widen(_Table, frozen=True, tag_field="strategy", tag="widen"):
    """Put the head of the recipe's probe on several backbones, where the validation images say that it is better.

    It is tried where their weights are installed, and the recipe's own backbone is one of them.

    Attributes:
        backbone: the pretrained feature extractors, with `+` between.
        keep_confidence: of the interval of the difference in validation accuracy, which must lie above 0.
    """

    backbone: str = "efficientnet_lite0+efficientnet_lite1+efficientnet_lite2"
    keep_confidence: Annotated[float, Meta(gt=0, lt=1)] = 0.95

    @property
    def strategy(self) -> str:
        """`widen`."""
        return "widen"


Phase = Probe | Widen | Finetune


class EvaluationSettings(_Table, frozen=True):
    """How the finished model is asked.

    Attributes:
        batch_size: changes speed and memory, not the result.
        tta: test-time augmentation, reported beside the plain figures: `flip` averages over each image and its
            mirror image.
    """

    batch_size: Count = 256
    tta: Literal["none", "flip"] = "none"


class Recipe(_Table, frozen=True, kw_only=True):
    """Everything that decides a training, apart from images, framework and machine.

    Attributes:
        title, title_zh: what it is, in English and for reports in Chinese.
        tune: what `bakeoff tune` may try: {"phases.0.schedule.peak": "0.0001..0.1 log"}; a training doesn't look at it.
    """

    title: str = ""
    title_zh: str = ""
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] = 0
    schema: int = SCHEMA
    data: DataSettings = DataSettings()
    input: InputSettings = InputSettings()
    augment: AugmentSettings = AugmentSettings()
    model: ModelSettings
    phases: Annotated[tuple[Phase, ...], Meta(min_length=1)]
    evaluation: EvaluationSettings = EvaluationSettings()
    tune: dict[str, str] = {}
