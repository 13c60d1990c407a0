"""A module whose import starts a thread."""

import threading

THREAD = threading.Thread(target=threading.Event().wait, name="a-clock-of-mine", daemon=True)
THREAD.start()
