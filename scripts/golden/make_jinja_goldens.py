#!/usr/bin/env python3
"""Writes tests/jinja/data/goldens.json: real chat templates rendered by Python's jinja2, set up as
transformers sets it up. Needs transformers (5.23.0) and jinja2 (3.1.6)."""

import json
from pathlib import Path

import jinja2
from transformers.utils import chat_template_utils

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "tests/jinja/data"
U, A, S, T = "user", "assistant", "system", "tool"


def message(role, content, **more):
    return {"role": role, "content": content, **more}


def call(name, arguments, id="call00001"):
    return {"id": id, "type": "function", "function": {"name": name, "arguments": arguments}}


WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": 'The weather\n"now" in <a> place & more',
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "Köln, 東京 …"},
                "unit": {"type": "string", "enum": ["C", "F"], "default": "C"},
                "days": {"type": ["integer", "null"], "minimum": 0, "x": 1.5e-7},
                "deep": {"type": "object", "properties": {"a": {"type": "array",
                         "items": {"type": "number"}}}, "required": []},
            },
            "required": ["place"],
        },
    },
}
EMPTY = {"type": "function", "function": {"name": "ping", "description": "", "parameters":
         {"type": "object", "properties": {}}}}
ARGUMENTS = {"place": "Köln\n'x' \"y\"", "days": 2, "deep": {"a": [1, 2.5, None, True]}, "e": {}}
ODD = " \t{{ x }} {% if %} {# no #} 'a' \"b\" \\n <|im_end|> é 漢字 🙂 \u200b&<> \n\n "

CONVERSATIONS = {
    "user": [message(U, "Hi")],
    "system": [message(S, "Be kind."), message(U, "Hi")],
    "turns": [message(S, "S"), message(U, "A"), message(A, "B"), message(U, "C")],
    "ends_with_assistant": [message(U, "A"), message(A, "B")],
    "odd": [message(S, ODD), message(U, ODD), message(A, ODD), message(U, ODD)],
    "empty_content": [message(S, ""), message(U, ""), message(A, ""), message(U, "")],
    "no_messages": [],
    "two_users": [message(U, "A"), message(U, "B")],
    "late_system": [message(U, "A"), message(A, "B"), message(S, "C"), message(U, "D")],
    "developer": [message("developer", "D"), message(U, "A")],
    "unknown_role": [message("wizard", "W"), message(U, "A")],
    "null_content": [message(U, "A"), message(A, None), message(U, "B")],
    "parts": [message(U, [{"type": "text", "text": "a"}, {"type": "text", "text": "b {x}"}])],
    "thinking": [message(U, "A"), message(A, "<think>\nwhy\n</think>\n\nB"), message(U, "C")],
    "reasoning": [message(U, "A"), message(A, "B", reasoning_content="why"), message(U, "C")],
    "named": [message(U, "A", name="Ann"), message(A, "B", name="Bob"), message(U, "C")],
    "tool_call": [message(U, "A"), message(A, None, tool_calls=[call("get_weather", ARGUMENTS)]),
                  message(T, "21 °C", tool_call_id="call00001", name="get_weather"),
                  message(A, "It is 21."), message(U, "Thanks")],
    "tool_call_text": [message(U, "A"),
                       message(A, "", tool_calls=[call("get_weather", json.dumps(ARGUMENTS))]),
                       message(T, '{"t": 21}', tool_call_id="call00001", name="get_weather")],
    "two_calls": [message(U, "A"), message(A, "Let me", tool_calls=[
                  call("get_weather", ARGUMENTS), call("ping", {}, "call00002")]),
                  message(T, "1", tool_call_id="call00001", name="get_weather"),
                  message(T, "2", tool_call_id="call00002", name="ping")],
}
TOOLS = {"none": None, "two": [WEATHER, EMPTY]}


def render(template, variables):
    try:
        return {"text": template.render(**variables)}
    except jinja2.exceptions.TemplateError as error:
        # raise_exception raises this class itself, whose message is the template's.
        own = type(error) is jinja2.exceptions.TemplateError
        return {"error": error.message if own else None}
    except Exception:  # whatever Python raises: ours must fail too
        return {"error": None}


def main():
    templates = {path.stem: path.read_text(encoding="utf-8")
                 for path in sorted((DATA / "templates").glob("*.jinja"))}
    cases = []
    for name, source in templates.items():
        try:
            compiled = chat_template_utils._compile_jinja_template(source)
        except Exception:
            cases.append({"template": name, "conversation": "user", "error": None})
            continue
        compiled.globals["strftime_now"] = lambda form: __import__("datetime").datetime(
            2024, 7, 26, 12, 30).strftime(form)
        for conversation, messages in CONVERSATIONS.items():
            for tools in TOOLS:
                variables = {
                    "messages": messages,
                    "tools": TOOLS[tools],
                    "add_generation_prompt": not conversation.startswith("ends"),
                    "bos_token": "<s>",
                    "eos_token": "</s>",
                }
                cases.append({"template": name, "conversation": conversation, "tools": tools,
                              **render(compiled, variables)})
    goldens = {"conversations": CONVERSATIONS, "tools": TOOLS, "now": "2024-07-26 12:30",
               "cases": cases}
    with open(DATA / "goldens.json", "w", encoding="ascii") as out:
        json.dump(goldens, out, separators=(",", ":"))
        out.write("\n")
    errors = sum("error" in case for case in cases)
    print(f"{len(templates)} templates, {len(cases)} cases, {errors} of them errors")


if __name__ == "__main__":
    main()
