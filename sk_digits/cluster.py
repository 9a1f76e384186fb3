"""`DurableClient`: searches on a Dask cluster that survive the loss of workers."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import dask
from distributed import Client

COLLECTIONS = (dict, frozenset, list, range, set, tuple)  # Dask scatters their items one by one


def _return_data(data: Any) -> Any:
    return data


class DurableClient(Client):
    """Dask client with which a scikit-learn search survives the loss of workers.

    joblib sends the data of a search to one of the workers. If that worker dies before another one
    has copied the data, the data is lost and the search fails. This client keeps a copy on the
    scheduler, from which any worker can get the data again. In all other respects it behaves like
    :class:`distributed.Client`, and ``joblib.parallel_config("dask")`` finds it in the same way.

    The data must fit into the memory of the scheduler. A search that runs inside a worker, as the
    inner search of nested cross-validation does, distributes its data with Dask's own client.

    Parameters
    ----------
    *args, **kwargs
        The arguments of :class:`distributed.Client`. The first one is the address of a scheduler,
        such as "tcp://10.0.0.1:8786", or a cluster object.

    See Also
    --------
    joblib.parallel_config : ``parallel_config("dask")`` makes scikit-learn use the client.

    Examples
    --------
    >>> from distributed import LocalCluster
    >>> from sk_digits.cluster import DurableClient
    >>> with (
    ...     LocalCluster(n_workers=1, processes=False, dashboard_address=":0") as cluster,
    ...     DurableClient(cluster) as client,
    ... ):
    ...     client.scatter("kept").result()
    'kept'
    """

    def scatter(self, data: Any, *args: Any, **kwargs: Any) -> Any:
        """Send data to the workers so that it survives the loss of any of them.

        Parameters
        ----------
        data : object
            The data. Collections, and data for which arguments other than ``asynchronous`` and
            ``hash`` are passed, are sent as by :class:`distributed.Client`, without a copy on the
            scheduler.
        *args, **kwargs
            The further arguments of :meth:`distributed.Client.scatter`.

        Returns
        -------
        distributed.Future, a collection of them, or an awaitable
            The data on the cluster.
        """
        is_placed = bool(args) or not kwargs.keys() <= {"asynchronous", "hash"}
        if is_placed or isinstance(data, COLLECTIONS):
            return super().scatter(data, *args, **kwargs)
        return self.sync(self._keep, data, asynchronous=kwargs.get("asynchronous"))

    async def _keep(self, data: Any) -> Any:
        key = f"{type(data).__name__}-{uuid4().hex}"
        with dask.config.set({"distributed.admin.large-graph-warning-threshold": "1 PiB"}):
            # The scheduler keeps the input of a task for as long as the task's result is needed.
            return self.submit(
                _return_data, data, key=key, priority=1
            )  # before the fits that need it
