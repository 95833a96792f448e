# SPDX-License-Identifier: Apache-2.0
"""Embeddings through the OpenAI SDK for Python (base64 by default) and LangChain's OpenAIEmbeddings (token ids by default)."""

import asyncio

import openai
import pytest
import tiktoken
from client import GUARD_S
from fake import new_word, script
from langchain_openai import OpenAIEmbeddings
from langchain_tests.integration_tests import EmbeddingsIntegrationTests

SIZES = {"text-embedding-3-small": 1536, "gemini-embedding-2": 3072, "qwen3-embedding-8b": 4096}


@pytest.fixture
def client(account):
    with openai.OpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=0) as client:
        yield client


@pytest.fixture(params=SIZES)
def model(request):
    return request.param


def sent(world, word):
    return world.fake.one(word)["json"]


class TestOpenAI:
    def test_default_and_float(self, client, account, model):
        text = new_word()
        packed = client.embeddings.create(model=model, input=[text, "two"])
        assert [d.index for d in packed.data] == [0, 1] and len(packed.data[0].embedding) == SIZES[model]
        plain = client.embeddings.create(model=model, input=[text, "two"], encoding_format="float")
        assert packed.data[1].embedding == pytest.approx(plain.data[1].embedding, rel=1e-6)
        charges = [float(row["charge_usd"]) for row in account.db.rows(
            "SELECT charge_usd FROM usage_log WHERE account_id = %s ORDER BY created_at", account.id)]
        assert [packed.usage.cost, plain.usage.cost] == charges and packed.usage.total_tokens == packed.usage.prompt_tokens > 0

    def test_the_sdk_asks_for_base64(self, client, world):
        word = new_word()
        assert isinstance(client.embeddings.create(model="text-embedding-3-small", input=word).data[0].embedding[0], float)
        assert sent(world, word)["encoding_format"] == "base64"

    def test_one_text_dimensions_and_tokens(self, client):
        assert len(client.embeddings.create(model="text-embedding-3-large", input="x", dimensions=64).data[0].embedding) == 64
        answer = client.embeddings.create(model="text-embedding-3-small", input=[[1, 2, 3], [4]])
        assert len(answer.data) == 2 and answer.usage.prompt_tokens == 4

    def test_errors(self, client, account):
        with pytest.raises(openai.BadRequestError) as caught:
            client.embeddings.create(model="gemini-embedding-2", input=[[1, 2]])
        assert caught.value.param == "input"
        with pytest.raises(openai.RateLimitError):
            client.embeddings.create(model="text-embedding-3-small", input=script(new_word(), {"status": 429}))
        with pytest.raises(openai.InternalServerError):
            client.embeddings.create(model="text-embedding-3-small", input=script(new_word(), {"status": 500}))
        assert account.spent() == 0

    def test_retry(self, account, world):
        word = new_word()
        with openai.OpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=2) as client:
            assert client.embeddings.create(model="text-embedding-3-small", input=script(word, [{"status": 500}, {}])).data
        assert [r["status"] for r in world.fake.requests(word)] == [500, 200]
        assert len(account.db.rows("SELECT id FROM ledger WHERE account_id = %s AND kind = 'charge'", account.id)) == 1

    def test_async(self, account):
        async def work():
            async with openai.AsyncOpenAI(base_url=account.api.url + "/v1", api_key=account.key, timeout=GUARD_S, max_retries=0) as client:
                return await asyncio.gather(*[client.embeddings.create(model="text-embedding-3-small", input=f"text {k}") for k in range(8)])
        assert len({tuple(a.data[0].embedding) for a in asyncio.run(work())}) == 8


@pytest.fixture
def bytes_as_tokens(monkeypatch):
    """A tokenizer that needs no download: each byte is a token."""
    encoding = tiktoken.Encoding("bytes", pat_str=r"[\s\S]+", mergeable_ranks={bytes([k]): k for k in range(256)}, special_tokens={})
    monkeypatch.setattr(tiktoken, "encoding_for_model", lambda name: encoding)
    monkeypatch.setattr(tiktoken, "get_encoding", lambda name: encoding)


@pytest.mark.usefixtures("bytes_as_tokens")
class TestLangChain:
    @staticmethod
    def embeddings(account, **more):
        return OpenAIEmbeddings(base_url=account.api.url + "/v1", api_key=account.key, max_retries=0, **more)

    def test_token_ids_by_default(self, account, world):
        """It sends token ids, and the gateway passes them on as they are."""
        seen = world.fake.requests("", api="embeddings")
        model = self.embeddings(account, model="text-embedding-3-small")
        vectors = model.embed_documents(["hello there", "good bye"])
        assert [len(v) for v in vectors] == [1536, 1536] and model.embed_query("hello there") == pytest.approx(vectors[0], rel=1e-6)
        after = seen[-1]["id"] if seen else 0
        asked = [r["json"]["input"] for r in world.fake.requests("", api="embeddings", after=after) if r["json"]["model"] == "text-embedding-3-small"]
        assert [list(b"hello there"), list(b"good bye")] in asked
        assert account.spent() > 0

    @pytest.mark.parametrize("name", ["gemini-embedding-2", "qwen3-embedding-8b"])
    def test_text_where_a_provider_wants_it(self, account, name):
        model = self.embeddings(account, model=name)
        with pytest.raises(openai.BadRequestError, match="check_embedding_ctx_length"):
            model.embed_query("hello")
        model = self.embeddings(account, model=name, check_embedding_ctx_length=False, dimensions=32)
        assert [len(v) for v in model.embed_documents(["a", "b", "c"])] == [32, 32, 32]

    def test_async(self, account):
        model = self.embeddings(account, model="text-embedding-3-small")
        assert len(asyncio.run(model.aembed_documents(["a", "b"]))) == 2


class Standard(EmbeddingsIntegrationTests):
    """LangChain's own tests for embeddings."""

    fields = {}
    account = None

    @pytest.fixture(autouse=True)
    def called_with(self, request, account, bytes_as_tokens):
        request.cls.account = account

    @property
    def embeddings_class(self):
        return OpenAIEmbeddings

    @property
    def embedding_model_params(self):
        return {"base_url": self.account.api.url + "/v1", "api_key": self.account.key, "max_retries": 0, **self.fields}


class TestStandardOpenAI(Standard):
    fields = {"model": "text-embedding-3-small"}


class TestStandardGoogle(Standard):
    fields = {"model": "gemini-embedding-2", "check_embedding_ctx_length": False}


class TestStandardOpenRouter(Standard):
    fields = {"model": "qwen3-embedding-8b", "check_embedding_ctx_length": False}


del EmbeddingsIntegrationTests, Standard    # pytest would collect them, too
