"""The build hook's modules lie beside the package and are no part of it: make them importable for its tests."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent.parent))
