"""Makes a model of the store from a file of weights, or from a graph that is ready to run. No torch here.

Weights are loaded by key map and filled into a graph; a graph is put between pixels and joints. Both are checked and described.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping as MappingABC
from dataclasses import dataclass
from pathlib import Path

from poseapp.convert.card import card
from poseapp.convert.catalogue import Entry
from poseapp.convert.checkpoints import ARCHS, Loaded, load, read_state
from poseapp.convert.download import Progress, Say, download
from poseapp.convert.fill import check_sound, count_macs, write_filled
from poseapp.convert.half import write_half
from poseapp.convert.ready import describe
from poseapp.convert.ready.describe import KINDS, joints_of
from poseapp.convert.ready.network import read_network
from poseapp.convert.ready.package import is_package, read_package
from poseapp.convert.ready.wrap import wrapped
from poseapp.core.errors import CheckpointError
from poseapp.core.files import atomic_path, sha256_file
from poseapp.core.heatmap import Decode, Mapping
from poseapp.core.spec import NO_SHA256, ModelSpec, Source
from poseapp.engine.model_folder import ModelFolder
from poseapp.engine.store import place_for


@dataclass(frozen=True)
class ImportOptions:
    """How weights are deployed. A value that is None follows from the file, as its authors trained it.

    ``mapping``, ``decode`` and ``sigma_px`` are those of ModelSpec; ``flip`` averages with the mirrored crop;
    ``graph_sha256`` is the hash that a graph that is ready to run must have, "" for any;
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
    graph_sha256: str = ""


@dataclass(frozen=True)
class Imported:
    """A model that was made: its spec, the network that its file was read as, and names in the file that are not part of it."""

    spec: ModelSpec
    arch: str
    extra: tuple[str, ...] = ()


def import_file(path: Path, arch: str | None, name: str, engines_dir: Path, options: ImportOptions = ImportOptions()) -> Imported:
    """Make the weights, or the graph, in *path* a model called *name* of the store *engines_dir*.

    *arch* is the network of the file; a graph that is ready to run tells it itself. Raises CheckpointError when the file cannot
    be read or does not fit *arch*, ModelError when the store cannot be written or has such a model already.
    """
    if arch is not None and arch not in (*ARCHS, *KINDS):
        raise CheckpointError(f"--arch {arch}: not known. There are: {', '.join((*ARCHS, *KINDS))}.")
    place = place_for(engines_dir, name, options.replace)
    source = _Ready(path, arch, options) if is_package(path) or arch in KINDS else _Weights(path, arch, options)
    spec = source.described(name)
    with ModelFolder(place).made_anew(options.replace) as made:
        spec = dataclasses.replace(spec, weights_sha256=source.write(spec, made.file()))
        check_sound(spec, made.file())
        if options.fp16:
            write_half(made.file(), made.file("fp16"))
            spec = made.with_variants(spec, "fp16")
        made.write_spec(spec)
        made.write_card(source.card(spec))
    return Imported(spec, source.arch, source.extra)


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
        skeleton=entry.skeleton.name, fp16=fp16, replace=replace, data=entry.data, licence=entry.licence, figure=entry.figure,
        url=entry.url, graph_sha256=entry.graph_sha256,
    )  # fmt: skip
    if entry.decode != "simcc" and entry.decode != "network":  # a graph that is ready to run tells the rest itself
        options = dataclasses.replace(
            options, input_hw=entry.input_hw, mapping=entry.mapping, decode=entry.decode, sigma_px=entry.sigma_px
        )
    try:
        spec = import_file(path, entry.arch, entry.name, engines_dir, options).spec
    except CheckpointError:
        if not entry.sha256:  # nothing else tells that the file is damaged, and it would be taken again
            path.unlink(missing_ok=True)
        raise
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


class _Weights:
    """Weights of a network of ours, to be put into its graph."""

    def __init__(self, path: Path, arch: str | None, options: ImportOptions) -> None:
        if arch is None:
            raise CheckpointError(f"{path}: expected the network of these weights. Name it with --arch: {', '.join(ARCHS)}.")
        self._path, self._options = path, options
        self._loaded = load(read_state(path), ARCHS[arch], str(path))
        self.arch, self.extra = arch, self._loaded.extra

    def described(self, name: str) -> ModelSpec:
        """The spec of the model called *name*, but for the graph's hash."""
        return described(self._loaded, name, self._options)

    def write(self, spec: ModelSpec, path: Path) -> str:
        """Write the graph to *path*; returns its hash."""
        return write_filled(self._loaded, spec, self._options.flip, path)

    def card(self, spec: ModelSpec) -> str:
        """The text of README.md."""
        loaded = self._loaded
        flip = ", averaged with the mirrored crop" if self._options.flip else ""
        extra = (
            f" {len(loaded.extra)} names in the file are not part of the network ({', '.join(loaded.extra[:3])} …)."
            if loaded.extra
            else ""
        )
        facts = {
            "Network": f"{loaded.arch.name}, read as: {loaded.layout.name}",
            "Joints": f"{spec.skeleton.name}: {', '.join(spec.skeleton.keypoints)}",
            "Decoding": f"{spec.decode}, mapping {spec.mapping}, sigma {spec.sigma_px:g}{flip}",
        }
        changed = f"The weights were converted, not changed; each BatchNorm is put into the convolution before it.{extra}"
        return _card(spec, self._path, facts, changed, self._options.figure)


class _Ready:
    """A graph that was published ready to run, to be put between pixels and joints as the app has them."""

    extra: tuple[str, ...] = ()

    def __init__(self, path: Path, arch: str | None, options: ImportOptions) -> None:
        unused = {
            "--input": options.input_hw, "--mapping": options.mapping, "--decode": options.decode, "--sigma": options.sigma_px,
            "--flip": options.flip or None,
        }  # fmt: skip
        given = [option for option, value in unused.items() if value is not None]
        if given:
            raise CheckpointError(f"{path}: the graph in it cannot be changed. Leave out {', '.join(given)}.")
        self._path, self._options = path, options
        self._package = read_package(path)
        found = hashlib.sha256(self._package.graph).hexdigest()
        if options.graph_sha256 not in ("", found):
            raise CheckpointError(
                f"{path}: expected a graph with SHA-256 {options.graph_sha256[:16]}…, got {found[:16]}…. Download it again."
            )
        self._network = read_network(self._package, str(path))
        if arch is not None and arch != self._network.family:
            raise CheckpointError(f"{path}: expected {arch}, got a graph of {self._network.family}. Leave out --arch.")
        self.arch: str = self._network.family
        self._skeleton, self._joints = joints_of(self._network, self._package, options.skeleton, str(path))

    def described(self, name: str) -> ModelSpec:
        """The spec of the model called *name*, but for the graph's hash."""
        kind, options = KINDS[self._network.family], self._options
        url = options.url or self._package.checkpoint or kind.url
        source = Source(kind.paper, options.data, options.licence or "Apache-2.0", url)
        return describe.described(self._network, self._package, name, self._skeleton, source)

    def write(self, spec: ModelSpec, path: Path) -> str:
        """Write the graph to *path*; returns its hash."""
        import onnx

        pixels = describe.pixels_of(self._network, self._package)
        with atomic_path(path) as part:
            onnx.save(wrapped(self._network, pixels, self._skeleton, self._joints), str(part))
        return sha256_file(path)

    def card(self, spec: ModelSpec) -> str:
        """The text of README.md."""
        facts = describe.facts(self._network, self._package, self._skeleton)
        changed = "The published graph is unchanged; pixels were put before it and decoding behind it. Scores are its own."
        return _card(spec, self._path, facts, changed, self._options.figure)


def _card(spec: ModelSpec, path: Path, facts: MappingABC[str, str], changed: str, figure: str) -> str:
    """The text of README.md: what this is, where it is from, and that its figures are not ours; *changed* says what was done."""
    h, w = spec.input_hw
    rows = {
        "Network": facts["Network"],
        "Input": f"{h} × {w} px, aspect kept",
        **facts,
        "Parameters": f"{spec.parameters:,}",
        "Multiply-accumulates": f"{spec.macs:,} (one crop)",
        "Trained on": spec.source.data,
        "Licence of the weights": spec.source.licence,
        "From": spec.source.url,
        "File": f"{path.name}, SHA-256 {sha256_file(path)}",
    }
    figures = f"Published figure: {figure or 'none is known'}. Nothing was measured here: `poseapp eval` does that.\n{changed}"
    return card(spec.name, [f"{spec.source.paper}."], rows, {"Figures": figures})
