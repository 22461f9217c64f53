"""The HTTP API through the openai package, unmodified, and through plain HTTP."""

from __future__ import annotations

import json

import pytest
from openai import NotFoundError, OpenAI

from node import HANG_S, Node

JAPAN = [{"role": "user", "content": "What is the capital of Japan?"}]


def openai_of(node: Node) -> OpenAI:
    return OpenAI(base_url=node.url + "/v1", api_key="none", max_retries=0, timeout=4 * HANG_S)


@pytest.fixture
def openai(node: Node) -> OpenAI:
    return openai_of(node)


def test_the_capital_of_japan_is_tokyo_whole_and_streaming(each_node):
    openai = openai_of(each_node)
    asked = dict(model="test", messages=JAPAN, temperature=0, max_tokens=32)
    whole = openai.chat.completions.create(**asked)
    assert "Tokyo" in whole.choices[0].message.content
    assert whole.choices[0].finish_reason in ("stop", "length")
    events = list(openai.chat.completions.create(**asked, stream=True))
    text = "".join(event.choices[0].delta.content or "" for event in events)
    assert text == whole.choices[0].message.content


def test_a_chat_stream_has_the_shape_that_clients_expect(openai):
    events = list(
        openai.chat.completions.create(
            model="test",
            messages=JAPAN,
            temperature=0,
            max_tokens=5,
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert len({event.id for event in events}) == 1
    assert events[0].choices[0].delta.role == "assistant"
    *_, last, usage = events
    assert last.choices[0].finish_reason == "length" and not last.choices[0].delta.content
    assert all(event.choices[0].finish_reason is None for event in events[:-2])
    assert usage.choices == [] and usage.usage.completion_tokens == 5
    assert usage.usage.total_tokens == usage.usage.prompt_tokens + 5


def test_a_stream_ends_with_done(node):
    body = {"model": "test", "prompt": "One", "max_tokens": 3, "temperature": 0}
    events = node.stream("/v1/completions", body).rest()
    assert events[-1] == "[DONE]"
    assert json.loads(events[-2])["choices"][0]["finish_reason"] == "length"


def test_completions_stream_what_they_return_whole(openai):
    asked = dict(model="test", prompt="The three primary colours are", max_tokens=24, temperature=0)
    whole = openai.completions.create(**asked)
    assert whole.choices[0].finish_reason == "length"
    assert whole.usage.completion_tokens == 24
    pieces = openai.completions.create(**asked, stream=True)
    assert "".join(piece.choices[0].text for piece in pieces) == whole.choices[0].text


def test_n_answers_come_under_their_index(openai):
    asked = dict(model="test", prompt="Once upon a time", max_tokens=12, n=2, seed=7, temperature=1)
    whole = openai.completions.create(**asked)
    assert [choice.index for choice in whole.choices] == [0, 1]
    assert whole.choices[0].text != whole.choices[1].text
    texts = ["", ""]
    for event in openai.completions.create(**asked, stream=True):
        texts[event.choices[0].index] += event.choices[0].text
    assert texts == [choice.text for choice in whole.choices]


def test_a_stop_string_ends_the_answer_and_is_no_part_of_it(openai):
    asked = dict(model="test", prompt="Count: one, two, three,", max_tokens=24, temperature=0)
    text = openai.completions.create(**asked).choices[0].text
    stop = text[7:12]  # wherever tokens begin and end
    stopped = openai.completions.create(**asked, stop=stop).choices[0]
    assert (stopped.text, stopped.finish_reason) == (text[: text.find(stop)], "stop")
    events = openai.completions.create(**asked, stop=[stop], stream=True)
    assert "".join(event.choices[0].text for event in events) == text[: text.find(stop)]


def test_completions_give_log_probabilities(openai):
    answer = openai.completions.create(
        model="test", prompt="The sky is", max_tokens=6, temperature=0, logprobs=3
    ).choices[0]
    logprobs = answer.logprobs
    assert len(logprobs.tokens) == len(logprobs.token_logprobs) == 6
    assert "".join(logprobs.tokens) == answer.text
    for chosen, top in zip(logprobs.token_logprobs, logprobs.top_logprobs):
        assert chosen <= 0 and max(top.values()) == pytest.approx(chosen)


def test_chats_give_log_probabilities(openai):
    answer = openai.chat.completions.create(
        model="test", messages=JAPAN, max_tokens=6, temperature=0, logprobs=True, top_logprobs=2
    ).choices[0]
    assert "".join(token.token for token in answer.logprobs.content) == answer.message.content
    for token in answer.logprobs.content:
        assert len(token.top_logprobs) == 2 and token.top_logprobs[0].logprob == token.logprob


def test_a_seed_repeats_its_answer_and_another_does_not(openai):
    asked = dict(model="test", prompt="A poem:", max_tokens=24, temperature=1)
    texts = [openai.completions.create(**asked, seed=s).choices[0].text for s in (1, 1, 2)]
    assert texts[0] == texts[1] != texts[2]


def test_the_models_are_listed(openai):
    assert [model.id for model in openai.models.list()] == ["test"]
    assert openai.models.retrieve("test").id == "test"
    with pytest.raises(NotFoundError):
        openai.models.retrieve("another")


def test_health_and_version_answer(node):
    assert node.ask("/health/live")[0] == 200
    assert node.ask("/health")[0] == 200
    assert node.ask("/version")[1]["version"]
