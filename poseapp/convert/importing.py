"""Makes a model of the store from a file of weights: load by key map, fill a graph, check, write the card. No torch here."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path

from poseapp.convert.card import card
from poseapp.convert.catalogue import Entry
from poseapp.convert.checkpoints import ARCHS, Loaded, load, read_state
from poseapp.convert.download import Progress, Say, download
from poseapp.convert.fill import check_sound, count_macs, write_filled
from poseapp.convert.half import write_half
from poseapp.core.errors import CheckpointError
from poseapp.core.files import sha256_file
from poseapp.core.heatmap import Decode, Mapping
from poseapp.core.spec import NO_SHA256, ModelSpec, Source
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.store import place_for


@dataclass(frozen=True)
class ImportOptions:
    """How weights are deployed. A value that is None follows from the file, as its authors trained it.

    ``mapping``, ``decode`` and ``sigma_px`` are those of ModelSpec; ``flip`` averages with the mirrored crop;
    ``fp16`` writes model.fp16.onnx beside model.onnx; ``replace`` overwrites a model of the same name.
    """

    input_hw: tuple[int, int] | None = None
    skeleton: str | None = None
    mapping: Mapping | None = None
    decode: Decode | None = None
    sigma_px: float | None = None
    flip: bool = False
    fp16: bool = False
    replace: bool = False
    data: str = "not told by the file"
    licence: str | None = None
    figure: str = ""
    url: str = ""


def import_file(
    path: Path, arch: str, name: str, engines_dir: Path, options: ImportOptions = ImportOptions()
) -> tuple[ModelSpec, Loaded]:
    """Write the weights in *path* to the store *engines_dir* as a model called *name*; returns its spec and what was loaded.

    Raises CheckpointError when the file cannot be read or does not fit *arch*, ModelError when the store
    cannot be written or has such a model already.
    """
    if arch not in ARCHS:
        raise CheckpointError(f"--arch {arch}: not known. There are: {', '.join(ARCHS)}.")
    place = place_for(engines_dir, name, options.replace)
    loaded = load(read_state(path), ARCHS[arch], str(path))
    spec = described(loaded, name, options)
    with ModelFolder(place).made_anew(options.replace) as made:
        spec = dataclasses.replace(spec, weights_sha256=write_filled(loaded, spec, options.flip, made.file()))
        check_sound(spec, made.file())
        if options.fp16:
            write_half(made.file(), made.file("fp16"))
            spec = made.with_variants(spec, "fp16")
        made.write_spec(spec)
        made.write_card(_card(spec, loaded, path, options))
    return spec, loaded


def fetch(
    entry: Entry,
    engines_dir: Path,
    cache: Path,
    progress: Progress = lambda done, total: None,
    fp16: bool = False,
    replace: bool = False,
    say: Say = lambda line: None,
) -> ModelSpec:
    """Download *entry* to *cache*, convert it and add it to *engines_dir*; the download is deleted when that worked.

    *say* hears where another home of the file is asked. Raises ModelError and CheckpointError as ``download`` and
    ``import_file`` do.
    """
    path = download(entry, cache, progress, say)
    options = ImportOptions(
        entry.input_hw, entry.skeleton.name, entry.mapping, entry.decode, entry.sigma_px, fp16=fp16, replace=replace,
        data=entry.data, licence=entry.licence, figure=entry.figure, url=entry.url,
    )  # fmt: skip
    spec, _ = import_file(path, entry.arch, entry.name, engines_dir, options)
    path.unlink(missing_ok=True)
    return spec


def described(loaded: Loaded, name: str, options: ImportOptions = ImportOptions()) -> ModelSpec:
    """What model.json says of loaded weights, but for the graph's hash. Raises CheckpointError on options that do not fit."""
    arch, layout = loaded.arch, loaded.layout
    skeleton = loaded.skeleton(options.skeleton)
    input_hw = options.input_hw or ((256, 256) if skeleton.name == "mpii-16" else arch.input_hw)
    if any(side <= 0 or side % arch.multiple for side in input_hw):
        raise CheckpointError(
            f"{arch.name}: expected an input of multiples of {arch.multiple} px, got {input_hw[0]}×{input_hw[1]}. "
            "Give another --input."
        )
    return ModelSpec(
        name=name,
        family=arch.family,
        skeleton=skeleton,
        input_hw=input_hw,
        stride=arch.stride,
        decode=options.decode or layout.decode,
        mapping=options.mapping or layout.mapping,
        sigma_px=options.sigma_px or layout.sigma_px,
        weights_sha256=NO_SHA256,
        parameters=loaded.parameters,
        macs=count_macs(loaded, input_hw) * (2 if options.flip else 1),
        source=Source(arch.paper, options.data, options.licence or layout.licence, options.url or layout.url),
        metrics={},
        variants={},
    )


def _card(spec: ModelSpec, loaded: Loaded, path: Path, options: ImportOptions) -> str:
    """The text of README.md: what this is, where it is from, and that its figures are not ours."""
    h, w = spec.input_hw
    flip = ", averaged with the mirrored crop" if options.flip else ""
    extra = (
        f" {len(loaded.extra)} names in the file are not part of the network ({', '.join(loaded.extra[:3])} …)."
        if loaded.extra
        else ""
    )
    facts = {
        "Network": f"{loaded.arch.name}, read as: {loaded.layout.name}",
        "Input": f"{h} × {w} px, aspect kept",
        "Joints": f"{spec.skeleton.name}: {', '.join(spec.skeleton.keypoints)}",
        "Decoding": f"{spec.decode}, mapping {spec.mapping}, sigma {spec.sigma_px:g}{flip}",
        "Parameters": f"{spec.parameters:,}",
        "Multiply-accumulates": f"{spec.macs:,} (convolutions, one crop)",
        "Trained on": spec.source.data,
        "Licence of the weights": spec.source.licence,
        "From": spec.source.url,
        "File": f"{path.name}, SHA-256 {sha256_file(path)}",
    }
    figures = (
        f"Published figure: {options.figure or 'none is known'}. Nothing was measured here: `poseapp eval` does that.\n"
        f"The weights were converted, not changed; each BatchNorm is put into the convolution before it.{extra}"
    )
    return card(spec.name, [f"{spec.source.paper}."], facts, {"Figures": figures})
