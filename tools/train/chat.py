"""The form of a chat: that of DeepSeek-Coder's instruct models, with a system text of its own."""

import tokens

SYSTEM = "You are Lemnos, a very small model. You write short Python functions.\n"

# As the family's template, without depending on how a program treats spaces around blocks. Lemnos
# reads the system text in it (tokenizer/chat_template.h).
TEMPLATE = (
    "{%- set ns = namespace(found=false) -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' -%}{%- set ns.found = true -%}{%- endif -%}"
    "{%- endfor -%}"
    "{{bos_token}}"
    "{%- if not ns.found -%}{{'" + SYSTEM.replace("\n", "\\n") + "'}}{%- endif -%}"
    "{%- for message in messages -%}"
    "{%- if message['role'] == 'system' -%}{{message['content']}}"
    "{%- elif message['role'] == 'user' -%}"
    "{{'### Instruction:\\n' + message['content'] + '\\n'}}"
    "{%- else -%}{{'### Response:\\n' + message['content'] + '\\n<|EOT|>\\n'}}"
    "{%- endif -%}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{'### Response:\\n'}}{%- endif -%}"
)


def prompt(instruction):
    """Text of a first question, behind BOS."""
    return f"{SYSTEM}### Instruction:\n{instruction}\n### Response:\n"


def prompt_ids(tokenizer, instruction):
    return [tokens.BOS] + tokenizer.encode(prompt(instruction)).ids


def answer_ids(tokenizer, code):
    """An answer as the model shall give it: the code in a fence, and the end."""
    return tokenizer.encode(f"```python\n{code}\n```\n").ids + [tokens.EOT]


def code_of(answer):
    """The code of the first fence of an answer that was closed; None where there is none."""
    _, opened, rest = answer.partition("```python\n")
    code, closed, _ = rest.partition("\n```")
    return code if opened and closed else None
