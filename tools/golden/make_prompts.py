#!/usr/bin/env python3
"""Writes tests/golden/prompts.json: conversations as the template of DeepSeek-Coder renders them.

    pip install jinja2
    python tools/golden/make_prompts.py

The template is the `chat_template` in tokenizer_config.json of deepseek-coder-6.7b-instruct, with
the settings of Hugging Face transformers (trim_blocks, lstrip_blocks).
"""

import json

import jinja2

TEMPLATE = (
    "{% if not add_generation_prompt is defined %}\n"
    "{% set add_generation_prompt = false %}\n"
    "{% endif %}\n"
    "{%- set ns = namespace(found=false) -%}\n"
    "{%- for message in messages -%}\n"
    "    {%- if message['role'] == 'system' -%}\n"
    "        {%- set ns.found = true -%}\n"
    "    {%- endif -%}\n"
    "{%- endfor -%}\n"
    "{{bos_token}}{%- if not ns.found -%}\n"
    "{{'You are an AI programming assistant, utilizing the Deepseek Coder model, developed by "
    "Deepseek Company, and you only answer questions related to computer science. For politically "
    "sensitive questions, security and privacy issues, and other non-computer science questions, "
    "you will refuse to answer\\n'}}\n"
    "{%- endif %}\n"
    "{%- for message in messages %}\n"
    "    {%- if message['role'] == 'system' %}\n"
    "{{ message['content'] }}\n"
    "    {%- else %}\n"
    "        {%- if message['role'] == 'user' %}\n"
    "{{'### Instruction:\\n' + message['content'] + '\\n'}}\n"
    "        {%- else %}\n"
    "{{'### Response:\\n' + message['content'] + '\\n<|EOT|>\\n'}}\n"
    "        {%- endif %}\n"
    "    {%- endif %}\n"
    "{%- endfor %}\n"
    "{% if add_generation_prompt %}\n"
    "{{'### Response:'}}\n"
    "{% endif %}"
)

ASK = "Write a function that reverses a list."
CODE = "```python\ndef f(xs):\n    return xs[::-1]\n```"
HOLE = "<｜fim▁begin｜>def f():<｜fim▁hole｜><｜fim▁end｜>"

# s: system, u: user, a: assistant
CONVERSATIONS = {
    "one question": [("u", ASK)],
    "empty question": [("u", "")],
    "spaces around": [("u", "  " + ASK + " \n")],
    "several lines": [("u", "Explain:\n\n" + CODE + "\n\n")],
    "carriage returns": [("u", "a\r\nb\r\n")],
    "tabs": [("u", "\tint x;\t\n\t\treturn x;")],
    "two turns": [("u", ASK), ("a", CODE), ("u", "Now in place.")],
    "three turns": [("u", "Hi"), ("a", "Hello!"), ("u", ASK), ("a", CODE), ("u", "And a tuple?")],
    "answer with a newline at its end": [("u", ASK), ("a", CODE + "\n"), ("u", "Why?")],
    "empty answer": [("u", ASK), ("a", ""), ("u", "Go on.")],
    "ends with an answer": [("u", ASK), ("a", CODE)],
    "system": [("s", "You write short answers.\n"), ("u", ASK)],
    "system without a newline": [("s", "You write short answers."), ("u", ASK)],
    "empty system": [("s", ""), ("u", ASK)],
    "system of a newline": [("s", "\n"), ("u", ASK)],
    "system and turns": [("s", "Be brief.\n"), ("u", "Hi"), ("a", "Hello!"), ("u", ASK)],
    "system later": [("u", "Hi"), ("a", "Hello!"), ("s", "Be brief.\n"), ("u", ASK)],
    "two systems": [("s", "Be brief.\n"), ("s", "Use C11.\n"), ("u", ASK)],
    "special tokens in a question": [("u", "What does <|EOT|> do? " + HOLE), ("a", CODE), ("u", "?")],
    "special tokens in an answer": [("u", ASK), ("a", "<|EOT|>\n<｜end▁of▁sentence｜>"), ("u", "?")],
    "special tokens in a system": [("s", "<｜begin▁of▁sentence｜><pad><|User|>\n"), ("u", ASK)],
    "the template's own words": [("u", "### Response:\nsure\n### Instruction:\nmore")],
    "jinja": [("u", "{{ bos_token }} {% if x %} {# no #}")],
    "scripts": [("u", "Führe Größe über: 数组 排序, Việt, 🦙"), ("a", "für «ü» ✓"), ("u", "ÿ÷À")],
    "long": [("u", "int a[] = {" + ", ".join(map(str, range(300))) + "};")],
}

ROLES = {"s": "system", "u": "user", "a": "assistant"}


def main():
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(TEMPLATE)
    found = []
    for name, turns in CONVERSATIONS.items():
        messages = [{"role": ROLES[role], "content": content} for role, content in turns]
        text = template.render(
            messages=messages, bos_token="<｜begin▁of▁sentence｜>", add_generation_prompt=True
        )
        found.append({"name": name, "messages": messages, "text": text})
    with open("tests/golden/prompts.json", "w", encoding="utf-8") as out:
        json.dump(found, out, ensure_ascii=False, indent=1)
        out.write("\n")


if __name__ == "__main__":
    main()
