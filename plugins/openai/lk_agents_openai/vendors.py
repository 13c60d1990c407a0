"""Those who speak as OpenAI does: where they are, and what their keys are called."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol, Unpack

from lk_agents.foundation.errors import ConfigError
from lk_agents.foundation.log import logger
from lk_agents.foundation.secret import Secret
from lk_agents.llm.chunks import LLMCapabilities
from lk_agents_openai.endpoint import Endpoint, TokenProvider, azure_endpoint_of, find_endpoint, find_key
from lk_agents_openai.older import older_name
from lk_agents_openai.options import ChatExtras, Choose

if TYPE_CHECKING:
    from lk_agents_openai.llm import LLM

__all__ = ["VENDORS", "CompatibleVendors", "Vendor"]

NO_KEY: Final = Secret("none")
"""What is shown to servers that want no key, but something in its place."""


class Extras(ChatExtras, total=False):
    """The options of the model that a constructor does not name itself."""

    max_tokens: int | None
    store: bool | None
    metadata: dict[str, str] | None
    timeout: float | None


@dataclass(frozen=True)
class Vendor:
    """One who speaks as OpenAI does.

    :param name: in messages.
    :param provider: in metrics.
    :param model: the model where none is named; empty if one must be.
    :param base_url: up to ``/v1``.
    :param variable: holds the key.
    """

    name: str
    provider: str
    model: str
    base_url: str
    variable: str


class Construct(Protocol):
    """Builds a model of one vendor."""

    def __call__(
        self,
        *,
        model: str = ...,
        api_key: str | Secret | None = ...,
        base_url: str = ...,
        client: Any = ...,
        user: str | None = ...,
        temperature: float | None = ...,
        parallel_tool_calls: bool | None = ...,
        tool_choice: Choose | None = ...,
        **extras: Unpack[Extras],
    ) -> LLM:
        """Build it.

        :raises ConfigError: there is no key.
        """


def _constructor(vendor: Vendor) -> Construct:
    def construct(
        *,
        model: str = vendor.model,
        api_key: str | Secret | None = None,
        base_url: str = vendor.base_url,
        client: Any = None,
        user: str | None = None,
        temperature: float | None = None,
        parallel_tool_calls: bool | None = None,
        tool_choice: Choose | None = "auto",
        **extras: Unpack[Extras],
    ) -> LLM:
        if client is None:
            key = find_key(api_key, vendor=vendor.name, variable=vendor.variable)
            client = Endpoint(base_url=base_url, credential=key)
        return _built(
            vendor.provider,
            model=model,
            client=find_endpoint(api_key=api_key, base_url=None, client=client),
            user=user,
            temperature=temperature,
            parallel_tool_calls=parallel_tool_calls,
            tool_choice=tool_choice,
            **extras,
        )

    construct.__doc__ = f"Build a model of {vendor.name}; its key is api_key, or {vendor.variable} of the environment."
    return construct


def _built(provider: str, *, capabilities: LLMCapabilities | None = None, **options: Any) -> LLM:
    from lk_agents_openai.llm import LLM

    model = LLM(**options)
    model.provider = provider
    if capabilities is not None:
        model.capabilities.supports_choices_on_int = capabilities.supports_choices_on_int
    return model


VENDORS: Final = {
    "cerebras": Vendor("Cerebras", "cerebras", "llama3.1-8b", "https://api.cerebras.ai/v1", "CEREBRAS_API_KEY"),
    "cometapi": Vendor("CometAPI", "cometapi", "", "https://api.cometapi.com/v1", "COMETAPI_API_KEY"),
    "deepseek": Vendor("DeepSeek", "deepseek", "deepseek-chat", "https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "fireworks": Vendor(
        "Fireworks",
        "fireworks",
        "accounts/fireworks/models/llama-v3p3-70b-instruct",
        "https://api.fireworks.ai/inference/v1",
        "FIREWORKS_API_KEY",
    ),
    "groq": Vendor("Groq", "groq", "llama3-8b-8192", "https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "nebius": Vendor("Nebius", "nebius", "", "https://api.studio.nebius.com/v1", "NEBIUS_API_KEY"),
    "octo": Vendor("OctoAI", "octo", "llama-2-13b-chat", "https://text.octoai.run/v1", "OCTOAI_TOKEN"),
    "openrouter": Vendor("OpenRouter", "openrouter", "auto", "https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "ovhcloud": Vendor(
        "OVHcloud", "ovhcloud", "", "https://oai.endpoints.kepler.ai.cloud.ovh.net/v1", "OVHCLOUD_API_KEY"
    ),
    "perplexity": Vendor(
        "Perplexity",
        "perplexity",
        "llama-3.1-sonar-small-128k-chat",
        "https://api.perplexity.ai",
        "PERPLEXITY_API_KEY",
    ),
    "sambanova": Vendor("SambaNova", "sambanova", "", "https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY"),
    "telnyx": Vendor(
        "Telnyx", "telnyx", "meta-llama/Meta-Llama-3.1-70B-Instruct", "https://api.telnyx.com/v2/ai", "TELNYX_API_KEY"
    ),
    "together": Vendor(
        "Together",
        "together",
        "meta-llama/Meta-Llama-3.1-8B-Instruct-Turbo",
        "https://api.together.xyz/v1",
        "TOGETHER_API_KEY",
    ),
    "x_ai": Vendor("xAI", "x_ai", "grok-2-public", "https://api.x.ai/v1", "XAI_API_KEY"),
}
"""Each has a constructor ``with_…`` of its own; the models are those that were there when it was named."""


class CompatibleVendors:
    """The constructors of models that are not OpenAI's; ``extras`` are further options of the model."""

    with_cerebras = staticmethod(_constructor(VENDORS["cerebras"]))
    with_cometapi = staticmethod(_constructor(VENDORS["cometapi"]))
    with_deepseek = staticmethod(_constructor(VENDORS["deepseek"]))
    with_fireworks = staticmethod(_constructor(VENDORS["fireworks"]))
    with_groq = staticmethod(_constructor(VENDORS["groq"]))
    with_nebius = staticmethod(_constructor(VENDORS["nebius"]))
    with_octo = staticmethod(_constructor(VENDORS["octo"]))
    with_openrouter = staticmethod(_constructor(VENDORS["openrouter"]))
    with_ovhcloud = staticmethod(_constructor(VENDORS["ovhcloud"]))
    with_perplexity = staticmethod(_constructor(VENDORS["perplexity"]))
    with_sambanova = staticmethod(_constructor(VENDORS["sambanova"]))
    with_telnyx = staticmethod(_constructor(VENDORS["telnyx"]))
    with_together = staticmethod(_constructor(VENDORS["together"]))
    with_x_ai = staticmethod(_constructor(VENDORS["x_ai"]))

    @staticmethod
    def with_ollama(
        *,
        model: str = "llama3.1",
        base_url: str | None = "http://localhost:11434/v1",
        client: Any = None,
        temperature: float | None = None,
        parallel_tool_calls: bool | None = None,
        tool_choice: Choose | None = "auto",
        **extras: Unpack[Extras],
    ) -> LLM:
        """Build a model that Ollama runs; it needs no key."""
        return _built(
            "ollama",
            model=model,
            client=client or Endpoint(base_url=base_url or "http://localhost:11434/v1", credential=Secret("ollama")),
            temperature=temperature,
            parallel_tool_calls=parallel_tool_calls,
            tool_choice=tool_choice,
            **extras,
        )

    @staticmethod
    def with_letta(
        *,
        agent_id: str,
        base_url: str = "https://api.letta.com/v1",
        api_key: str | Secret | None = None,
        **extras: Unpack[Extras],
    ) -> LLM:
        """Build a model that is an agent of Letta, on a server of the user's or at Letta.

        :param agent_id: begins with ``agent-``.
        :param api_key: by default ``LETTA_API_KEY`` of the environment; servers of one's own may want none.
        :raises ConfigError: the id is that of no agent, or Letta's own server is to be asked without a key.
        """
        if not agent_id.startswith("agent-"):
            raise ConfigError(f"agent_id is {agent_id!r}; Letta's ids of agents begin with 'agent-'")
        try:
            key = find_key(api_key, vendor="Letta", variable="LETTA_API_KEY")
        except ConfigError:
            if "api.letta.com" in base_url:
                raise
            key = NO_KEY
        return _built("letta", model=agent_id, client=Endpoint(base_url=base_url, credential=key), **extras)

    @staticmethod
    def with_vertex(
        *,
        model: str = "google/gemini-2.0-flash-exp",
        project_id: str | None = None,
        location: str = "us-central1",
        user: str | None = None,
        temperature: float | None = None,
        parallel_tool_calls: bool | None = None,
        tool_choice: Choose | None = "auto",
        **extras: Unpack[Extras],
    ) -> LLM:
        """Build a model that Google runs in Vertex AI, with Google's own credentials; needs the extra ``vertex``.

        It is here for programs that have it; the plugin for Google speaks Google's own language.

        :param project_id: by default that of the credentials.
        :raises ConfigError: the extra is missing, or there are no credentials, or no project.
        """
        from lk_agents_openai.vertex import vertex_endpoint

        logger.warning("with_vertex() is deprecated: use the plugin for Google")
        return _built(
            "vertex",
            capabilities=LLMCapabilities(supports_choices_on_int=False),
            model=model,
            client=vertex_endpoint(project_id, location),
            user=user,
            temperature=temperature,
            parallel_tool_calls=parallel_tool_calls,
            tool_choice=tool_choice,
            **extras,
        )

    @staticmethod
    def with_azure(
        *,
        model: str = "gpt-4o",
        azure_endpoint: str | None = None,
        azure_deployment: str | None = None,
        api_version: str | None = None,
        api_key: str | Secret | None = None,
        azure_ad_token: str | Secret | None = None,
        azure_ad_token_provider: TokenProvider | None = None,
        organization: str | None = None,
        project: str | None = None,
        base_url: str | None = None,
        user: str | None = None,
        temperature: float | None = None,
        parallel_tool_calls: bool | None = None,
        tool_choice: Choose | None = "auto",
        timeout: float | None = None,
        **extras: Unpack[ChatExtras],
    ) -> LLM:
        """Build a model that Azure runs.

        See :func:`~lk_agents_openai.endpoint.azure_endpoint_of` for what comes from the environment.

        :raises ConfigError: the address, the version or the credential is missing, or the address is given twice.
        """
        endpoint = azure_endpoint_of(
            azure_endpoint=azure_endpoint,
            azure_deployment=azure_deployment,
            api_version=api_version,
            api_key=api_key,
            azure_ad_token=azure_ad_token,
            azure_ad_token_provider=azure_ad_token_provider,
            organization=organization,
            project=project,
            base_url=base_url,
        )
        return _built(
            "azure",
            model=model,
            client=endpoint,
            user=user,
            temperature=temperature,
            parallel_tool_calls=parallel_tool_calls,
            tool_choice=tool_choice,
            timeout=timeout,
            **extras,
        )

    create_azure_client = staticmethod(older_name("LLM.create_azure_client", "LLM.with_azure", with_azure))
