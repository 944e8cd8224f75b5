"""Finds how a model thinks when it is loaded: by its chat template and its vocabulary."""

from gateway.engine.template.chat_template import ChatTemplate, RenderOptions, TemplateBroken
from gateway.engine.template.turns import Turn
from gateway.engine.thinking.tags import TagVocabulary, ThinkingTags
from gateway.engine.thinking.thinking_form import QUESTION, Renderer, thinking_form
from gateway.engine.thinking.thinking_reader import Thinking, ThinkingReader


def thinking_tags(template: ChatTemplate, vocabulary: TagVocabulary) -> ThinkingTags | None:
    """Return the tags of a model; None for one that shows no reasoning."""
    form = thinking_form(template.source, renderer_of(template))
    tags = None if form is None else ThinkingTags(form, vocabulary)
    return tags if tags is not None and _can_end(tags, vocabulary) else None


def renderer_of(template: ChatTemplate) -> Renderer:
    """Return what renders test conversations."""

    def render(
        answer: str, *, reasoning: str = "", is_last: bool = True, thinking: bool | None = None
    ) -> str | None:
        turns = [Turn("user", QUESTION)]
        if answer:
            turns.append(Turn("assistant", answer, reasoning=reasoning))
        if answer and not is_last:
            turns.append(Turn("user", "one more question"))
        options = RenderOptions(thinking=thinking, add_generation_prompt=not answer or not is_last)
        try:
            return template.render(turns, options)
        except TemplateBroken:
            return None

    return render


def _can_end(tags: ThinkingTags, vocabulary: TagVocabulary) -> bool:
    """Whether the closing tokens end reasoning: a vocabulary may lack letters of the tag."""
    reader = ThinkingReader(Thinking(tags=tags), prompt=tags.open_tokens, max_tokens=1)
    for token in tags.to_text.closing:
        reader.push(token, vocabulary.piece(token))
    return reader.is_answering
