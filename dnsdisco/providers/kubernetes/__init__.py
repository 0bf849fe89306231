"""The kubernetes provider: Services and EndpointSlices of one cluster, listed once and then watched (docs/kubernetes.md).

    connection.py    one API server: requests, and what their failures mean
    credentials.py   where it is and who we are: a pod's account, or a kubeconfig, of which kubeconfig.py has the reading, identity.py and
                     exec_plugin.py the user, tls.py the certificates
    resources.py     what is asked for, and the paged list of it
    reflector.py     one resource followed in a thread: list, then watch, again and again; it hands over objects, never a part of a list
    objects.py, endpoints.py    raw JSON becomes small facts, each object alone: a bad one harms no other
    compose.py       the facts of one Service become a model Service, by the `addresses` mode
    view.py          all the facts of one cluster, and the snapshot of what they say
    session.py       one watch(): the threads, what they tell, when it is over
    registration.py  Services and EndpointSlices of our own
    provider.py      the class that others see; read it first

Of the official `kubernetes` package a pod's account, `auth-provider` and the making of connections are used. Its models refuse a whole list for one bad object, its
watch hangs on a silent server, and its informer spins while the server is away.
"""

from __future__ import annotations

from dnsdisco.providers.kubernetes.provider import KubernetesServiceDiscovery

__all__ = ["KubernetesServiceDiscovery"]
