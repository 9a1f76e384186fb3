"""`filters_lock`: one thread at a time may change the warning filters, which the process shares."""

import os
import threading

# scikit-learn changes them in each validation of data. Two threads at it restore each other's
# filters, and those of the one may stay for good. Reentrant, for a callback may predict.
filters_lock = threading.RLock()

if hasattr(os, "register_at_fork"):  # else a child could inherit it locked, by a thread it has not
    os.register_at_fork(
        before=filters_lock.acquire,
        after_in_parent=filters_lock.release,
        after_in_child=filters_lock.release,
    )
