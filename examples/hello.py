"""The smallest agent: it greets everybody who comes with a data message.

lk-agents dev --server examples/hello.py
"""

from livekit import rtc

from lk_agents import JobContext, WorkerOptions, cli


async def greet(ctx: JobContext, participant: rtc.RemoteParticipant) -> None:
    """Send one person a message; runs once for each who is there or comes."""
    text = f"Hello, {participant.name or participant.identity}!"
    await ctx.agent.publish_data(text, destination_identities=[participant.identity], topic="greeting")


async def entrypoint(ctx: JobContext) -> None:
    """Join the room of the job."""
    ctx.add_participant_entrypoint(greet)
    await ctx.connect()


if __name__ == "__main__":
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint, port=0))
