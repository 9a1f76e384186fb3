"""Searches on a Dask cluster whose workers may die (extra ``[dask]``)."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import dask
from distributed import Client

COLLECTIONS = (dict, frozenset, list, range, set, tuple)  # Dask scatters their items


def _given(data: Any) -> Any:
    return data


class DurableClient(Client):
    """Dask client for scikit-learn's searches that outlives the workers of its cluster.

    joblib hands the data of a search to one of the workers. If that one dies before another has
    fetched them they are lost, and the search fails. This client leaves a copy with the scheduler,
    from where any worker gets them again. All else is as with :class:`distributed.Client`, and
    ``joblib.parallel_config("dask")`` finds it in the same way.

    The data must fit into the memory of the scheduler. A search that runs inside a worker, as in
    nested cross-validation, hands out its data by Dask's own client.

    Parameters
    ----------
    *args, **kwargs
        As for :class:`distributed.Client`: first the address of a scheduler, such as
        "tcp://10.0.0.1:8786", or a cluster object.

    See Also
    --------
    joblib.parallel_config : ``parallel_config("dask")`` sends scikit-learn's work to the client.

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
        """Give data to the workers, so that the end of none loses them.

        Parameters
        ----------
        data : object
            What to give. The items of a collection, and data for which a place is asked, go the
            way of :class:`distributed.Client`.
        *args, **kwargs
            As for :meth:`distributed.Client.scatter`.

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
            # What a task is made from stays with the scheduler as long as its result is needed.
            return self.submit(_given, data, key=key, priority=1)  # before the fits, which wait
