"""The first window and every dialog fit on small screens: each control can be reached, and no text is cut."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

# Width and height in px of the screen as windows see it, and device px a px.
SCREENS = {"1366x768": (1366, 768, 1), "1280x800": (1280, 800, 1), "1024x600": (1024, 600, 1), "960x540@2": (960, 540, 2)}


def test_window_and_dialogs_fit_on_small_screens_in_two_fonts(store: Path, tmp_path: Path, repo_root: Path) -> None:
    config = tmp_path / "screens.json"
    left, screens = 0, []
    for name, (width, height, dpr) in SCREENS.items():
        screens.append({"name": name, "x": left, "y": 0, "width": width, "height": height, "dpr": dpr})
        left += width
    config.write_text(json.dumps({"screens": screens}), encoding="utf-8")
    probe = Path(__file__).with_name("fit_probe.py")
    done = subprocess.run(
        [sys.executable, str(probe), str(store), str(tmp_path)],
        env={
            **os.environ,
            "QT_QPA_PLATFORM": f"offscreen:configfile={config}",
            "PYTHONPATH": os.pathsep.join(map(str, (repo_root, repo_root / "tests"))),
        },
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert {(one["font"], one["screen"]) for one in seen} == {(f, s) for f in ("usual", "wide") for s in (*SCREENS, "saved")}
    wrong = [f"{one['font']} font, {one['screen']}: {what}" for one in seen for what in one["wrong"]]
    assert not wrong, "\n".join(wrong)
