"""The ZeroMQ protocol through troupe_client."""

from __future__ import annotations

import asyncio

from node import Node, eventually
from troupe_client import AsyncClient, Client

JAPAN = [{"role": "user", "content": "What is the capital of Japan?"}]


def test_generate_names_tokyo(each_node):
    with Client(each_node.zmq) as client:
        result = client.generate(messages=JAPAN, temperature=0, max_tokens=32)
    assert "Tokyo" in result.text
    assert result.usage.completion_tokens == len(result.tokens)


def test_stream_gives_the_chunks_of_generate(client):
    asked = dict(prompt="The sun is", temperature=0, max_tokens=24, ignore_eos=True)
    whole = client.generate(**asked)
    with client.stream(**asked) as stream:
        chunks = list(stream)
    assert len(whole.tokens) == 24 and whole.finish_reason == "length"
    assert len(chunks) > 1
    assert "".join(chunk.text for chunk in chunks) == whole.text
    assert sum((chunk.tokens for chunk in chunks), ()) == whole.tokens
    assert chunks[-1].token_end == 24


def test_tokens_may_stand_for_the_prompt(client):
    asked = dict(temperature=0, max_tokens=8, ignore_eos=True)
    first = client.generate("The moon is", **asked)
    again = client.generate(tokens=first.tokens, **asked)
    assert len(again.tokens) == 8


def test_cancel_ends_a_stream_and_frees_its_place(node, client):
    with client.stream("Count:", max_tokens=2000, ignore_eos=True, temperature=0) as stream:
        next(stream)
        eventually("the request runs", lambda: node.running() == 1)
        stream.cancel()
        for _ in stream:
            pass
    assert stream.result.finish_reason == "cancelled"
    assert len(stream.result.tokens) < 2000
    eventually("nothing runs", lambda: node.running() == 0)


def test_welcome_tells_the_limits(client):
    welcome = client.welcome()
    assert welcome.model == "test"
    assert welcome.credit > 0 and welcome.context_max > 1000 and welcome.frame_bytes_max > 1 << 20


async def test_asyncio_generates_streams_and_cancels(node):
    async with AsyncClient(node.zmq) as client:
        asked = dict(temperature=0, max_tokens=16, ignore_eos=True)
        first, second = await asyncio.gather(
            client.generate("Red is", **asked), client.generate("Blue is", **asked)
        )
        assert len(first.tokens) == len(second.tokens) == 16
        texts = [chunk.text async for chunk in await client.stream("Red is", **asked)]
        assert "".join(texts) == first.text
        stream = await client.stream("Count:", max_tokens=2000, ignore_eos=True)
        async for _ in stream:
            await stream.cancel()
        assert stream.result.finish_reason == "cancelled"


def concurrent_tokens(node: Node, requests: list[dict]) -> list[tuple[int, ...]]:
    async def ask() -> list[tuple[int, ...]]:
        async with AsyncClient(node.zmq) as client:
            results = await asyncio.gather(*(client.generate(**body) for body in requests))
            return [result.tokens for result in results]

    return asyncio.run(ask())


def test_eight_concurrent_streams_give_the_tokens_that_each_gives_alone(each_node):
    prompts = ["The", "In the beginning was", "def add(a, b):", "1, 2, 3,", "北京是", "Paris"]
    prompts += ["To make bread you need " + "flour and " * 40, "A long time ago " * 3]
    greedy = dict(temperature=0, max_tokens=24, ignore_eos=True)
    sampled = dict(temperature=0.9, top_p=0.95, top_k=50, max_tokens=24, ignore_eos=True)
    requests = [
        {"prompt": prompt, **(greedy if index % 2 else {**sampled, "seed": 100 + index})}
        for index, prompt in enumerate(prompts)
    ]
    with Client(each_node.zmq) as client:
        alone = [client.generate(**body).tokens for body in requests]
    assert all(len(tokens) == 24 for tokens in alone)
    assert concurrent_tokens(each_node, requests) == alone
    assert concurrent_tokens(each_node, requests[::-1]) == alone[::-1]
