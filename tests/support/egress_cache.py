"""What of private requests lies in the cache of answers: looked for in all that a store is given."""

from dataclasses import replace

from gateway.clock import CpuClock
from gateway.policy.caching import CachePolicy
from gateway.policy.model import PrivacyPolicy
from gateway.privacy import PrivacyScorer
from gateway.testing.scripted import reply
from tests.support.cached_calls import CachedBench, NotingStore
from tests.support.dispatch_doubles import Bench
from tests.support.egress_cases import PLACES, TEXT, VALUE, a_request

ANSWER = "That is "


async def keep_everything() -> list[str]:
    """Ask with data in each place a model that repeats it, and return what should not lie in the store."""
    store = NotingStore()
    bench = CachedBench(Bench({"edge": [reply(f"{ANSWER}{VALUE}")]}), CachePolicy(), store=store)
    scorer = PrivacyScorer(PrivacyPolicy(), clock=CpuClock())
    wrong, kept = [], 0
    for place in (each for each in PLACES if each != "embedding"):
        request = a_request(place, ["EMAIL"], path="edge-first")
        request = replace(request, config=replace(request.config, temperature=0.0))
        class_ = scorer.score(request).privacy_class
        store.kept.clear()
        await bench.caller("edge", request=request, class_=class_).answer()
        await bench.cache.drain()
        kept += len(store.kept)
        if store.kept and class_.name != "PUBLIC":
            wrong.append(f"the answer to a request of class {class_.name} is kept, with data in: {place}")
        if any(TEXT.encode() in key + value for key, value in store.kept.items()):
            wrong.append(f"the store has words of a request, with data in: {place}")
    return wrong if kept else [*wrong, "nothing is kept at all"]
