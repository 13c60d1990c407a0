"""The build backend: hatchling's, with the metadata step kept.

Under pip, hatchling offers no ``prepare_metadata_for_build_*``, so pip builds a whole wheel to learn the version,
throws it away and builds it again: two compilations of the server. hatchling knows pip by an environment variable that
it looks for when it is imported; hiding the variable for that moment keeps the step. It is right here because our
metadata does not depend on the build.
"""

import os

_PIP_MARK = "PIP_BUILD_TRACKER"

_tracker = os.environ.pop(_PIP_MARK, None)
try:
    from hatchling.build import *  # noqa: F403  every hook of the build interface that hatchling has
finally:
    if _tracker is not None:
        os.environ[_PIP_MARK] = _tracker
