"""A stream in asyncio: the model runs in a worker thread, so the event loop stays free."""

import asyncio
import sys

import ser_rt


async def listen(path):
    """Print the emotion of each second."""
    async for event in ser_rt.astream(path, model="compact", hop_s=1.0):
        if event.type == "emotion":
            print(f"{event.end:6.1f} s  {event.emotion} {event.confidence:.0%}")
        elif event.type == "warning":
            print(f"{event.start:6.1f} s  {event.message}")


async def other_work():
    """Do something else meanwhile."""
    for second in range(60):
        await asyncio.sleep(1)
        print(f"... {second + 1} s of other work", file=sys.stderr)


async def main():
    """Run both, until the recording ends."""
    other = asyncio.create_task(other_work())
    await listen(sys.argv[1] if len(sys.argv) > 1 else ser_rt.sample_path())
    other.cancel()


asyncio.run(main())
