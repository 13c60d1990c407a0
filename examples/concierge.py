"""An agent with a name: it joins only rooms to which it is called, and says about itself what the call asks for.

A worker with an `agent_name` is given no rooms by itself. Somebody dispatches it, with metadata of their choice:

    lk-agents start examples/concierge.py
    lk dispatch create --agent-name concierge --room lobby --metadata '{"language": "fr"}'
"""

import json

from lk_agents import JobContext, JobRequest, WorkerOptions, cli

GREETINGS = {"en": "Good evening", "fr": "Bonsoir", "de": "Guten Abend"}


async def decide(request: JobRequest) -> None:
    """Take jobs in a language that the concierge speaks, and refuse the others: another worker may know it."""
    wanted = json.loads(request.job.metadata or "{}").get("language", "en")
    if wanted not in GREETINGS:
        await request.reject()
        return
    await request.accept(name="Concierge", identity=f"concierge-{wanted}", attributes={"language": wanted})


async def entrypoint(ctx: JobContext) -> None:
    """Greet the first person in the language that was agreed on when the job was accepted."""
    await ctx.connect()
    caller = await ctx.wait_for_participant()
    greeting = GREETINGS[ctx.agent.attributes["language"]]
    await ctx.agent.publish_data(f"{greeting}, {caller.identity}.", topic="greeting")


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint, request_fnc=decide, agent_name="concierge", port=0))
