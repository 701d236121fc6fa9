"""The `openai` package against `starloop serve`: plain, streamed, with log-probabilities, scored, and with errors.

python openai_client.py BASE_URL KEY MODEL
"""

import sys

import openai

base_url, key, model = sys.argv[1:]
client = openai.OpenAI(base_url=base_url, api_key=key, max_retries=0, timeout=120)
PROMPT = "Input:\n6 2 4 + 2 5 9\nTarget:\n"
ask = dict(model=model, prompt=PROMPT, max_tokens=40, temperature=0.8, seed=7)

assert model in [entry.id for entry in client.models.list()]
assert client.models.retrieve(model).id == model

# Plain: several samples, reproducible, with counts.
plain = client.completions.create(**ask, n=3)
again = client.completions.create(**ask, n=3)
texts = [choice.text for choice in plain.choices]
assert texts == [choice.text for choice in again.choices] and len(texts) == 3
assert all(choice.finish_reason in ("stop", "length") for choice in plain.choices)
assert plain.usage.total_tokens == plain.usage.prompt_tokens + plain.usage.completion_tokens

# Streamed: the same text, and the counts at the end.
streamed, usage = ["", "", ""], None
for part in client.completions.create(**ask, n=3, stream=True, stream_options={"include_usage": True}):
    for choice in part.choices:
        streamed[choice.index] += choice.text
    usage = part.usage or usage
assert streamed == texts and usage == plain.usage, (streamed, texts, usage)

# Log-probabilities of completions, and of a prompt.
scored = client.completions.create(**ask, logprobs=2).choices[0]
assert scored.text == texts[0]
assert len(scored.logprobs.tokens) == len(scored.logprobs.token_logprobs) == len(scored.logprobs.top_logprobs)
assert all(value <= 0 for value in scored.logprobs.token_logprobs)
echo = client.completions.create(model=model, prompt=PROMPT, max_tokens=0, echo=True, logprobs=1).choices[0]
assert echo.text == PROMPT and echo.logprobs.token_logprobs[0] is None and echo.logprobs.text_offset[0] == 0

# Chats: plain, streamed, with log-probabilities.
chat = dict(model=model, messages=[{"role": "user", "content": "6 2 4 + 2 5 9"}], max_completion_tokens=40, temperature=0.8, seed=7)
message = client.chat.completions.create(**chat, logprobs=True, top_logprobs=2).choices[0]
assert message.message.role == "assistant" and message.message.content == texts[0]
assert [entry.logprob for entry in message.logprobs.content] == scored.logprobs.token_logprobs
assert all(len(entry.top_logprobs) == 2 for entry in message.logprobs.content)
parts = list(client.chat.completions.create(**chat, stream=True))
assert parts[0].choices[0].delta.role == "assistant"
assert "".join(part.choices[0].delta.content or "" for part in parts) == texts[0]

# Errors have the package's types.
for wrong, kind, said in [
    (dict(ask, model="other"), openai.NotFoundError, "there is no model"),
    (dict(ask, temperature=-1), openai.BadRequestError, "temperature"),
    (dict(ask, max_tokens=100_000), openai.BadRequestError, "context"),
    (dict(ask, logit_bias={"5": 1}), openai.BadRequestError, "logit_bias"),
]:
    try:
        client.completions.create(**wrong)
        raise AssertionError(f"not refused: {wrong}")
    except kind as error:
        assert said in error.message, error.message
try:
    openai.OpenAI(base_url=base_url, api_key="wrong", max_retries=0).models.list()
    raise AssertionError("the key is not checked")
except openai.AuthenticationError as error:
    assert "API key" in error.message
print("ok")
