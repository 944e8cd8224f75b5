"""Joins the pieces of an answer that came in one read: each piece costs every layer above, and a message."""

from collections.abc import Iterable, Iterator, Sequence

from gateway.domain.answer import Chunk


def together(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yield pieces that came together as few as keep their order; before an error what came before it."""
    held: list[Chunk] = []
    try:
        for chunk in chunks:
            if held and chunk.has_output and not _goes_on(held[-1], chunk):
                yield _joined(held)
                held = []
            if chunk.has_output or not held:
                held.append(chunk)
    except Exception:
        if held:
            yield _joined(held)
        raise
    if held:
        yield _joined(held)


def _goes_on(last: Chunk, chunk: Chunk) -> bool:
    """Say whether one piece can hold both: it says reasoning first, then text, then calls of tools."""
    if chunk.reasoning:
        return not (last.text or last.tool_calls)
    return not (chunk.text and last.tool_calls)


def _joined(chunks: Sequence[Chunk]) -> Chunk:
    said = [chunk for chunk in chunks if chunk.has_output]
    if len(said) < 2:
        return said[0] if said else chunks[0]
    return Chunk(
        text="".join(chunk.text for chunk in said),
        reasoning=tuple(thought for chunk in said for thought in chunk.reasoning),
        tool_calls=tuple(call for chunk in said for call in chunk.tool_calls),
        logprobs=tuple(each for chunk in said for each in chunk.logprobs),
        pieces=len(said),
    )
