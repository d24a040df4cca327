"""The chat template says what the pairs are made with."""

import unittest

import jinja2

import chat


class Template(unittest.TestCase):
    def render(self, *messages):
        # As Hugging Face and llama.cpp set it.
        environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
        return environment.from_string(chat.TEMPLATE).render(
            messages=[dict(zip(("role", "content"), message)) for message in messages],
            bos_token="<BOS>",
            add_generation_prompt=True,
        )

    def test_question(self):
        self.assertEqual(self.render(("user", " x\n")), "<BOS>" + chat.prompt(" x\n"))

    def test_conversation(self):
        turns = [("system", "Be brief.\n"), ("user", "a"), ("assistant", "b"), ("user", "c")]
        want = "<BOS>Be brief.\n### Instruction:\na\n### Response:\nb\n<|EOT|>\n"
        want += "### Instruction:\nc\n### Response:\n"
        self.assertEqual(self.render(*turns), want)

    def test_code(self):
        self.assertEqual(chat.code_of("```python\na\nb\n```\n"), "a\nb")
        self.assertIsNone(chat.code_of("```python\na\nb\n"))
        self.assertIsNone(chat.code_of("a\nb\n```\n"))


if __name__ == "__main__":
    unittest.main()
