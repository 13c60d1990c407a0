"""An agent that says back what it hears.

    lk-agents dev --server examples/echo_agent.py      a server of its own, then join a room and speak
    lk-agents start examples/echo_agent.py             with LIVEKIT_URL, LIVEKIT_API_KEY and LIVEKIT_API_SECRET set

`make demo` runs it against a real server, with a caller who checks that he hears himself.
"""

from livekit import rtc

from lk_agents import AutoSubscribe, JobContext, WorkerOptions, cli

SAMPLE_RATE = 48_000


async def entrypoint(ctx: JobContext) -> None:
    """Join the room and answer every audio track in it; the handler goes on when this has returned."""

    @ctx.room.on("track_subscribed")
    def on_track(track: rtc.Track, _: rtc.RemoteTrackPublication, participant: rtc.RemoteParticipant) -> None:
        if isinstance(track, rtc.RemoteAudioTrack):
            ctx.create_task(echo(ctx, track), name=f"echo-{participant.identity}")

    @ctx.room.on("participant_disconnected")
    def on_leave(_: rtc.RemoteParticipant) -> None:
        if not ctx.room.remote_participants:
            ctx.shutdown("everybody has left")

    await ctx.connect(auto_subscribe=AutoSubscribe.AUDIO_ONLY)


async def echo(ctx: JobContext, track: rtc.RemoteAudioTrack) -> None:
    """Publish what is heard on ``track``, until it ends or the job does."""
    source = rtc.AudioSource(SAMPLE_RATE, num_channels=1, queue_size_ms=200)
    own_track = rtc.LocalAudioTrack.create_audio_track("echo", source)
    options = rtc.TrackPublishOptions(source=rtc.TrackSource.SOURCE_MICROPHONE)
    publication = await ctx.agent.publish_track(own_track, options)
    stream = rtc.AudioStream(track, sample_rate=SAMPLE_RATE, num_channels=1)
    heard = False
    try:
        async for event in stream:
            if not heard:
                heard = True
                ctx.mark("first_frame_heard")
            await source.capture_frame(event.frame)
    finally:  # in this order: what reads, what is published, what it is fed from
        await stream.aclose()
        if ctx.room.isconnected():
            await ctx.agent.unpublish_track(publication.sid)
        await source.aclose()


if __name__ == "__main__":
    # Port 0: the health endpoint takes any free one, so that the examples can run side by side.
    cli.run_app(WorkerOptions(entrypoint_fnc=entrypoint, port=0))
